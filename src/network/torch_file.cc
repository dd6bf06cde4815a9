#include "normgraft/network/torch_file.h"

#include <ATen/ATen.h>
#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "normgraft/core/error.h"
#include "torch_pickle.h"

namespace normgraft {
namespace {

constexpr size_t kNamesShown = 5;

struct StorageType {
  std::string_view name;
  at::ScalarType type;
};

constexpr std::array kStorageTypes = {
    StorageType{"FloatStorage", at::kFloat},       StorageType{"HalfStorage", at::kHalf},
    StorageType{"BFloat16Storage", at::kBFloat16}, StorageType{"DoubleStorage", at::kDouble},
    StorageType{"LongStorage", at::kLong},         StorageType{"IntStorage", at::kInt},
    StorageType{"ShortStorage", at::kShort},       StorageType{"CharStorage", at::kChar},
    StorageType{"ByteStorage", at::kByte},         StorageType{"BoolStorage", at::kBool},
};

[[noreturn]] void fail(const Path& path, const std::string& fault) {
  throw InputError(fmt::format("torch file {}: {}", path.string(), fault));
}

/// The files of a zip archive by name, without the folder that all lie in.
std::map<std::string, std::string> unpacked(const Path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) fail(path, "not found, or not a file");
  const auto size = static_cast<int64_t>(std::filesystem::file_size(path, error));
  const std::unique_ptr<archive, decltype(&archive_read_free)> zip(archive_read_new(), archive_read_free);
  archive_read_support_format_zip_seekable(zip.get());
  constexpr size_t kBlock = 1 << 16;
  if (archive_read_open_filename(zip.get(), path.c_str(), kBlock) != ARCHIVE_OK)
    fail(path, "no zip archive, expected what torch.save of PyTorch 1.6 or newer writes");
  std::map<std::string, std::string> files;
  while (true) {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(zip.get(), &entry);
    if (status == ARCHIVE_EOF) return files;
    if (status != ARCHIVE_OK || archive_entry_pathname(entry) == nullptr)
      fail(path, "no zip archive, expected what torch.save of PyTorch 1.6 or newer writes");
    const std::string full = archive_entry_pathname(entry);
    const size_t slash = full.find('/');
    const std::string name = slash == std::string::npos ? full : full.substr(slash + 1);
    const int64_t bytes = archive_entry_size(entry);
    if (bytes < 0 || bytes > size) fail(path, fmt::format("{} is compressed, expected it as it is", full));
    std::string content(static_cast<size_t>(bytes), '\0');
    const la_ssize_t read = archive_read_data(zip.get(), content.data(), content.size());
    if (read != static_cast<la_ssize_t>(content.size())) fail(path, fmt::format("{} cannot be read", full));
    if (!files.emplace(name, std::move(content)).second) fail(path, fmt::format("{} is there twice", full));
  }
}

/// A tensor within the bytes of its storage, as a copy.
Tensor tensor_in(const Path& path, const PickledTensor& tensor, const std::string& bytes) {
  const auto* type = std::find_if(kStorageTypes.begin(), kStorageTypes.end(),
                                  [&](const StorageType& each) { return each.name == tensor.type; });
  const auto numbers = static_cast<int64_t>(bytes.size() / at::elementSize(type->type));
  int64_t last = tensor.offset;  // the furthest number that it reads
  bool empty = false, fits = last <= numbers;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    int64_t reach = 0;
    empty = empty || tensor.shape[i] == 0;
    fits = fits &&
           !__builtin_mul_overflow(std::max<int64_t>(tensor.shape[i] - 1, 0), tensor.strides[i], &reach) &&
           !__builtin_add_overflow(last, reach, &last);
  }
  if (!fits || (!empty && last >= numbers))
    fail(path, fmt::format("tensor \"{}\" of shape [{}] lies beyond the {} numbers of data/{}", tensor.name,
                           fmt::join(tensor.shape, ", "), numbers, tensor.storage));
  int64_t count = 1;
  for (const int64_t n : tensor.shape)
    if (__builtin_mul_overflow(count, n, &count)) count = numbers + 1;
  if (count > numbers)
    fail(path, fmt::format("tensor \"{}\" of shape [{}] has more numbers than data/{}", tensor.name,
                           fmt::join(tensor.shape, ", "), tensor.storage));
  if (empty) return at::empty(tensor.shape, at::kFloat);
  auto* data = const_cast<char*>(bytes.data());  // read alone
  const Tensor whole = at::from_blob(data, {numbers}, type->type);
  const Tensor view = whole.as_strided(tensor.shape, tensor.strides, tensor.offset);
  return view.is_floating_point() ? view.to(at::kFloat, false, true).contiguous() : view.clone().contiguous();
}

}  // namespace

Tensors read_torch_file(const Path& path, Monitor& monitor) {
  const std::map<std::string, std::string> files = unpacked(path);
  const auto pickle = files.find("data.pkl");
  if (pickle == files.end()) fail(path, "no data.pkl in it, expected what torch.save writes of a state_dict");
  if (const auto order = files.find("byteorder"); order != files.end() && order->second != "little")
    fail(path, fmt::format("its byte order is {}, expected little", order->second));
  const PickledState state = read_state_pickle(pickle->second, "torch file " + path.string());
  if (!state.within.empty())
    monitor.notice(fmt::format("torch file {}: its entry \"{}\" is read", path.string(), state.within));
  if (!state.left_out.empty()) {
    const size_t shown = std::min(state.left_out.size(), kNamesShown);
    monitor.notice(fmt::format("torch file {}: {} entries are no tensors and left out: {}", path.string(),
                               state.left_out.size(),
                               fmt::join(state.left_out.begin(), state.left_out.begin() + shown, ", ")));
  }
  Tensors tensors;
  for (const PickledTensor& each : state.tensors) {
    const auto storage = files.find("data/" + each.storage);
    if (storage == files.end())
      fail(path, fmt::format("tensor \"{}\" needs data/{}, which is missing", each.name, each.storage));
    tensors[each.name] = tensor_in(path, each, storage->second);
  }
  return tensors;
}

}  // namespace normgraft
