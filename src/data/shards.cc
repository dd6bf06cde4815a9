#include "shards.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "class_order.h"
#include "normgraft/core/error.h"
#include "picture_names.h"

namespace normgraft {
namespace {

constexpr int64_t kBlock = 512;  ///< tar's
constexpr int64_t kLongestLabel = 32;

/// A name up to the first dot behind its last slash, as WebDataset groups files.
std::string key_of(const std::string& name) {
  const size_t slash = name.rfind('/'), begin = slash == std::string::npos ? 0 : slash + 1;
  return name.substr(0, name.find('.', begin));
}

/// What one tar file holds.
struct Shard {
  struct Entry {
    std::string name;
    int64_t begin = 0, bytes = 0;
  };
  std::vector<Entry> pictures;
  std::map<std::string, int64_t> labels;  ///< by key
  int64_t others = 0;
};

class ShardReader {
 public:
  explicit ShardReader(const Path& path) : path_(path), tar_(archive_read_new(), archive_read_free) {
    archive_read_support_format_tar(tar_.get());
    constexpr size_t kBuffer = 1 << 16;
    if (archive_read_open_filename(tar_.get(), path.c_str(), kBuffer) != ARCHIVE_OK)
      fail(archive_error_string(tar_.get()));
  }

  Shard read() {
    Shard shard;
    std::optional<Shard::Entry> last;
    archive_entry* entry = nullptr;
    while (true) {
      const int status = archive_read_next_header(tar_.get(), &entry);
      // An entry's bytes end where the next header begins.
      if (last) {
        last->begin = archive_read_header_position(tar_.get()) - (last->bytes + kBlock - 1) / kBlock * kBlock;
        shard.pictures.push_back(*std::exchange(last, std::nullopt));
      }
      if (status == ARCHIVE_EOF) return shard;
      if (status != ARCHIVE_OK) fail(archive_error_string(tar_.get()));
      if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_pathname(entry) == nullptr) continue;
      const std::string name = archive_entry_pathname(entry);
      if (is_picture_name(name)) {
        if (archive_entry_sparse_count(entry) > 0) fail(name + " has holes, expected it whole");
        last = Shard::Entry{name, 0, archive_entry_size(entry)};
      } else if (name.ends_with(".cls")) {
        shard.labels[key_of(name)] = label(name, archive_entry_size(entry));
      } else {
        ++shard.others;
      }
    }
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(fmt::format("tar file {}: {}", path_.string(), what));
  }
  [[noreturn]] void fail(const char* what) const { fail(std::string(what == nullptr ? "damaged" : what)); }

  int64_t label(const std::string& name, int64_t bytes) {
    std::string text(static_cast<size_t>(std::clamp<int64_t>(bytes, 0, kLongestLabel)), '\0');
    if (archive_read_data(tar_.get(), text.data(), text.size()) != static_cast<la_ssize_t>(text.size()))
      fail(name + " cannot be read");
    text.erase(text.find_last_not_of(" \r\n\t") + 1);
    const std::optional<int64_t> value = class_number(text);
    if (!value) fail(fmt::format("{} is \"{}\", expected the number of a class", name, text));
    return *value;
  }

  Path path_;
  std::unique_ptr<archive, decltype(&archive_read_free)> tar_;
};

/// The folder that a picture lies in within its archive; empty where it lies in none.
std::string folder_of(const std::string& name) {
  return Path(name).parent_path().filename().string();
}

int64_t label_of(const std::string& folder, const std::vector<std::string>& ranked, const ClassList* classes,
                 const Path& root) {
  if (folder.empty()) return -1;
  if (classes == nullptr) return std::find(ranked.begin(), ranked.end(), folder) - ranked.begin();
  const auto found = classes->index.find(folder);
  if (found != classes->index.end()) return found->second;
  throw InputError(fmt::format("folder {} in {} is not in the class list, expected one of its {} names",
                               folder, root.string(), classes->index.size()));
}

}  // namespace

bool is_shard_name(const Path& path) {
  return lower_extension(path) == ".tar";
}

PictureFolder open_shards(const Path& root, const std::vector<Path>& shards, const ClassList* classes,
                          Monitor& monitor) {
  std::vector<std::pair<Path, Shard>> read;
  std::set<std::string> folders;
  bool numbered = false;
  int64_t others = 0, pictures = 0, without = 0;
  for (const Path& path : shards) {
    const auto& [_, shard] = read.emplace_back(path, ShardReader(path).read());
    for (const auto& entry : shard.pictures)
      if (const std::string folder = folder_of(entry.name); !folder.empty()) folders.insert(folder);
    numbered = numbered || !shard.labels.empty();
    others += shard.others;
    pictures += static_cast<int64_t>(shard.pictures.size());
  }
  if (pictures == 0)
    throw InputError(
        fmt::format("no pictures in {}, expected {} in its tar files", root.string(), kPictureNames));
  PictureFolder found;
  found.numbered = numbered;
  if (!numbered) found.classes.assign(folders.begin(), folders.end());
  std::sort(found.classes.begin(), found.classes.end(), comes_before);
  for (const auto& [path, shard] : read) {
    for (const auto& entry : shard.pictures) {
      Picture picture{path / entry.name, -1, Extent{path, entry.begin, entry.bytes}};
      const auto label = shard.labels.find(key_of(entry.name));
      if (label != shard.labels.end()) picture.label = label->second;
      if (!numbered) picture.label = label_of(folder_of(entry.name), found.classes, classes, root);
      without += picture.label < 0 ? 1 : 0;
      found.pictures.push_back(std::move(picture));
    }
  }
  sort_by_path(found.pictures);
  std::string remarks =
      fmt::format("{} in {} tar file{}", pictures, shards.size(), shards.size() == 1 ? "" : "s");
  if (without > 0) remarks += fmt::format(", {} without a class", without);
  if (others > 0) remarks += fmt::format(", {} other files are passed over", others);
  if (without + others > 0) monitor.notice(fmt::format("pictures in {}: {}", root.string(), remarks));
  return found;
}

}  // namespace normgraft
