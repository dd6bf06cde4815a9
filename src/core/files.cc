#include "normgraft/core/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <streambuf>
#include <system_error>
#include <vector>

#include "normgraft/core/error.h"

namespace normgraft {
namespace {

/// An output buffer over a file descriptor that remembers the first error of the system.
class DescriptorBuffer : public std::streambuf {
 public:
  explicit DescriptorBuffer(int descriptor) : descriptor_(descriptor), bytes_(1 << 20) {
    setp(bytes_.data(), bytes_.data() + bytes_.size());
  }
  int error() const { return error_; }

 protected:
  int_type overflow(int_type c) override {
    if (sync() != 0) return traits_type::eof();
    if (!traits_type::eq_int_type(c, traits_type::eof())) sputc(traits_type::to_char_type(c));
    return traits_type::not_eof(c);
  }

  int sync() override {
    const char* from = pbase();
    while (from < pptr() && error_ == 0) {
      const ssize_t n = ::write(descriptor_, from, static_cast<size_t>(pptr() - from));
      if (n >= 0) {
        from += n;
      } else if (errno != EINTR) {
        error_ = errno;
      }
    }
    setp(bytes_.data(), bytes_.data() + bytes_.size());
    return error_ == 0 ? 0 : -1;
  }

 private:
  int descriptor_;
  std::vector<char> bytes_;
  int error_ = 0;
};

/// A file that disappears unless it is committed under its final name.
class TemporaryFile {
 public:
  explicit TemporaryFile(const Path& path)
      : final_(path), path_(path.string() + fmt::format(".{}.tmp", ::getpid())) {
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor_ < 0) fail(errno);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!committed_) ::unlink(path_.c_str());
  }

  int descriptor() const { return descriptor_; }

  void commit() {
    if (::fsync(descriptor_) != 0) fail(errno);
    const int closed = ::close(descriptor_);
    descriptor_ = -1;
    if (closed != 0 || ::rename(path_.c_str(), final_.c_str()) != 0) fail(errno);
    committed_ = true;
  }

  [[noreturn]] void fail(int error) const {
    throw std::runtime_error(fmt::format("cannot write {}: {}", final_.string(), std::strerror(error)));
  }

 private:
  Path final_;
  std::string path_;
  int descriptor_ = -1;
  bool committed_ = false;
};

}  // namespace

std::string read_file(const Path& path, std::string_view what) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    throw InputError(fmt::format("{} not found: {}", what, path.string()));
  }
  if (!std::filesystem::is_regular_file(path, error)) {
    throw InputError(fmt::format("{} is not a file: {}", what, path.string()));
  }
  std::ifstream in(path, std::ios::binary);
  std::ostringstream content;
  if (in.peek() != std::ifstream::traits_type::eof()) content << in.rdbuf();
  if (!in && !in.eof()) throw InputError(fmt::format("cannot read {} {}", what, path.string()));
  return std::move(content).str();
}

Json read_json(const Path& path, std::string_view what) {
  const std::string text = read_file(path, what);
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    throw InputError(fmt::format("{} {} is not JSON: error at byte {} of {}", what, path.string(), error.byte,
                                 text.size()));
  } catch (const Json::out_of_range&) {
    throw InputError(fmt::format("{} {} holds a number beyond the range of a double", what, path.string()));
  }
}

void write_atomically(const Path& path, const std::function<void(std::ostream&)>& write) {
  if (path.has_parent_path()) {
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    if (error) {
      throw std::runtime_error(
          fmt::format("cannot create folder {}: {}", path.parent_path().string(), error.message()));
    }
  }
  TemporaryFile file(path);
  DescriptorBuffer buffer(file.descriptor());
  std::ostream out(&buffer);
  write(out);
  out.flush();
  if (buffer.error() != 0) file.fail(buffer.error());
  if (!out) throw std::runtime_error(fmt::format("cannot write {}: the stream failed", path.string()));
  file.commit();
}

void write_atomically(const Path& path, std::string_view content) {
  write_atomically(path, [&](std::ostream& out) { out << content; });
}

void write_json(const Path& path, const Json& json) {
  const std::string text = json.dump(2) + "\n";
  write_atomically(path, text);
}

uint64_t fnv1a(std::span<const std::byte> bytes, uint64_t seed) {
  uint64_t hash = seed;
  for (std::byte b : bytes) hash = (hash ^ static_cast<uint64_t>(b)) * 0x100000001b3ULL;
  return hash;
}

}  // namespace normgraft
