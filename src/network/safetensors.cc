#include "normgraft/network/safetensors.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <fstream>
#include <set>
#include <string_view>
#include <vector>

#include "normgraft/core/error.h"

namespace normgraft {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data is read as it lies in memory");

constexpr uint64_t kMaximalHeader = 100'000'000;

struct Dtype {
  std::string_view name;
  at::ScalarType type;
};

constexpr std::array kDtypes = {
    Dtype{"BOOL", at::kBool},  Dtype{"U8", at::kByte},       Dtype{"I8", at::kChar},
    Dtype{"I16", at::kShort},  Dtype{"I32", at::kInt},       Dtype{"I64", at::kLong},
    Dtype{"F16", at::kHalf},   Dtype{"BF16", at::kBFloat16}, Dtype{"F32", at::kFloat},
    Dtype{"F64", at::kDouble},
};

struct Entry {
  std::string name;
  at::ScalarType type;
  std::vector<int64_t> shape;
  uint64_t begin;
  uint64_t end;
};

[[noreturn]] void fail(const Path& path, const std::string& fault) {
  throw InputError(fmt::format("safetensors file {}: {}", path.string(), fault));
}

[[noreturn]] void fail(const Path& path, const std::string& tensor, const std::string& fault) {
  fail(path, fmt::format("tensor \"{}\": {}", tensor, fault));
}

/// Notices what the JSON library would silently drop: a key that comes twice in one object.
class DuplicateKeys {
 public:
  explicit DuplicateKeys(const Path& path) : path_(path) {}

  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    const auto level = static_cast<size_t>(depth);
    if (event == Json::parse_event_t::object_start) {
      keys_.resize(level + 1);
      keys_.emplace_back();
    } else if (event == Json::parse_event_t::key &&
               !keys_.at(level).insert(parsed.get<std::string>()).second) {
      fail(path_, fmt::format("\"{}\" comes twice in the header", parsed.get<std::string>()));
    }
    return true;
  }

 private:
  const Path& path_;
  std::vector<std::set<std::string>> keys_;
};

Json parse_header(const Path& path, const std::string& text) {
  Json header;
  try {
    header = Json::parse(text, DuplicateKeys(path));
  } catch (const Json::parse_error& error) {
    fail(path, fmt::format("the header is not JSON: error at byte {} of {}", error.byte, text.size()));
  }
  if (!header.is_object())
    fail(path, fmt::format("the header is a JSON {}, expected an object", header.type_name()));
  return header;
}

void check_metadata(const Path& path, const Json& metadata) {
  const bool strings = metadata.is_object() && std::all_of(metadata.begin(), metadata.end(),
                                                           [](const Json& v) { return v.is_string(); });
  if (!strings) fail(path, "__metadata__ must be an object of strings");
}

at::ScalarType parse_dtype(const Path& path, const std::string& name, const Json& field) {
  const auto text = field.get<std::string>();
  const auto* found =
      std::find_if(kDtypes.begin(), kDtypes.end(), [&](const Dtype& d) { return d.name == text; });
  if (found == kDtypes.end()) {
    std::vector<std::string_view> known;
    for (const Dtype& dtype : kDtypes) known.push_back(dtype.name);
    fail(path, name, fmt::format("unknown dtype \"{}\", expected one of {}", text, fmt::join(known, ", ")));
  }
  return found->type;
}

bool is_list_of_sizes(const Json& list) {
  return list.is_array() &&
         std::all_of(list.begin(), list.end(), [](const Json& v) { return v.is_number_unsigned(); });
}

Entry parse_entry(const Path& path, const std::string& name, const Json& json) {
  const bool complete = json.is_object() && json.size() == 3 && json.contains("dtype") &&
                        json["dtype"].is_string() && json.contains("shape") &&
                        is_list_of_sizes(json["shape"]) && json.contains("data_offsets") &&
                        is_list_of_sizes(json["data_offsets"]) && json["data_offsets"].size() == 2;
  if (!complete) fail(path, name, "expected an object of dtype, shape and data_offsets [begin, end]");
  return {name, parse_dtype(path, name, json["dtype"]), json["shape"].get<std::vector<int64_t>>(),
          json["data_offsets"][0].get<uint64_t>(), json["data_offsets"][1].get<uint64_t>()};
}

/// The bytes that a shape asks for; nothing when they exceed 63 bits.
std::optional<uint64_t> byte_count(const Entry& entry) {
  uint64_t count = c10::elementSize(entry.type);
  for (const int64_t size : entry.shape) {
    if (size < 0 || __builtin_mul_overflow(count, static_cast<uint64_t>(size), &count) || count >> 63 != 0) {
      return std::nullopt;
    }
  }
  return count;
}

void check_entry(const Path& path, const Entry& entry, uint64_t data_size) {
  if (entry.begin > entry.end || entry.end > data_size) {
    fail(path, entry.name,
         fmt::format("offsets [{}, {}] are out of range, the file holds {} bytes of data", entry.begin,
                     entry.end, data_size));
  }
  const std::optional<uint64_t> bytes = byte_count(entry);
  if (bytes != entry.end - entry.begin) {
    fail(path, entry.name,
         fmt::format("{} bytes of data, but {} of shape [{}] need {}", entry.end - entry.begin,
                     c10::toString(entry.type), fmt::join(entry.shape, ", "),
                     bytes ? fmt::to_string(*bytes) : "more than 2^63"));
  }
}

/// Sorted by offset, the entries must cover the data without overlap or gap.
void check_cover(const Path& path, const std::vector<Entry>& entries, uint64_t data_size) {
  uint64_t end = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    if (entry.begin < end) {
      fail(path, entry.name,
           fmt::format("data from byte {} overlaps tensor \"{}\" that ends at {}", entry.begin,
                       entries[i - 1].name, end));
    }
    if (entry.begin > end) {
      fail(path, entry.name,
           fmt::format("bytes {} to {} before its data belong to no tensor", end, entry.begin));
    }
    end = entry.end;
  }
  if (end != data_size)
    fail(path, fmt::format("bytes {} to {} of the data belong to no tensor", end, data_size));
}

std::vector<Entry> parse_entries(const Path& path, const std::string& text, uint64_t data_size) {
  const Json header = parse_header(path, text);
  std::vector<Entry> entries;
  for (const auto& [name, json] : header.items()) {
    if (name == "__metadata__") {
      check_metadata(path, json);
      continue;
    }
    entries.push_back(parse_entry(path, name, json));
    check_entry(path, entries.back(), data_size);
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_cover(path, entries, data_size);
  return entries;
}

class Reader {
 public:
  explicit Reader(const Path& path) : path_(path), in_(path, std::ios::binary) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) fail(path, "not found, or not a file");
    size_ = std::filesystem::file_size(path, error);
    if (!in_ || error) fail(path, "cannot be read");
  }

  uint64_t size() const { return size_; }

  void read(void* to, uint64_t bytes) {
    if (!in_.read(static_cast<char*>(to), static_cast<std::streamsize>(bytes))) fail(path_, "cannot be read");
  }

 private:
  const Path& path_;
  std::ifstream in_;
  uint64_t size_ = 0;
};

std::string read_header(const Path& path, Reader& reader) {
  uint64_t length = 0;
  if (reader.size() < sizeof(length)) {
    fail(path,
         fmt::format("truncated: {} bytes, expected at least the 8 of the header length", reader.size()));
  }
  reader.read(&length, sizeof(length));
  if (length > kMaximalHeader) {
    fail(path, fmt::format("a header of {} bytes is longer than {}", length, kMaximalHeader));
  }
  if (length > reader.size() - sizeof(length)) {
    fail(path,
         fmt::format("a header of {} bytes is longer than the file of {} bytes", length, reader.size()));
  }
  std::string text(length, '\0');
  reader.read(text.data(), length);
  return text;
}

}  // namespace

Tensors read_safetensors(const Path& path) {
  Reader reader(path);
  const std::string header = read_header(path, reader);
  Tensors tensors;
  for (const Entry& entry : parse_entries(path, header, reader.size() - sizeof(uint64_t) - header.size())) {
    Tensor tensor = at::empty(entry.shape, entry.type);
    if (entry.end > entry.begin) reader.read(tensor.data_ptr(), entry.end - entry.begin);
    tensors[entry.name] = tensor.is_floating_point() ? tensor.to(at::kFloat) : tensor;
  }
  return tensors;
}

void write_safetensors(const Path& path, const Tensors& tensors) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  std::vector<Tensor> data;
  size_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    data.push_back(tensor.detach().to(at::kFloat).contiguous());
    const size_t end = offset + data.back().nbytes();
    header[name] = {{"dtype", "F32"}, {"shape", tensor.sizes().vec()}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  write_atomically(path, [&](std::ostream& out) {
    out.write(reinterpret_cast<const char*>(&length), sizeof(length));
    out << text;
    for (const Tensor& tensor : data) {
      out.write(static_cast<const char*>(tensor.data_ptr()), static_cast<std::streamsize>(tensor.nbytes()));
    }
  });
}

}  // namespace normgraft
