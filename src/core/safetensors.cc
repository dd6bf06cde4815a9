#include "normgraft/core/safetensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <set>
#include <string_view>

#include "normgraft/core/error.h"

namespace normgraft {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data is read as it lies in memory");

constexpr uint64_t kMaximalHeader = 100'000'000;

using Entry = SafetensorsEntry;

struct Dtype {
  std::string_view name;
  uint64_t bytes;
  std::string_view word;  ///< for errors
};

constexpr std::array kDtypes = {
    Dtype{"BOOL", 1, "Bool"},  Dtype{"U8", 1, "Byte"},       Dtype{"I8", 1, "Char"},
    Dtype{"I16", 2, "Short"},  Dtype{"I32", 4, "Int"},       Dtype{"I64", 8, "Long"},
    Dtype{"F16", 2, "Half"},   Dtype{"BF16", 2, "BFloat16"}, Dtype{"F32", 4, "Float"},
    Dtype{"F64", 8, "Double"},
};

/// The row of a dtype; the end where it is unknown.
const Dtype* find_dtype(std::string_view name) {
  return std::find_if(kDtypes.begin(), kDtypes.end(), [&](const Dtype& d) { return d.name == name; });
}

[[noreturn]] void fail_in(const Path& path, const std::string& fault) {
  throw InputError(fmt::format("safetensors file {}: {}", path.string(), fault));
}

[[noreturn]] void fail_in(const Path& path, const std::string& tensor, const std::string& fault) {
  fail_in(path, fmt::format("tensor \"{}\": {}", tensor, fault));
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
      fail_in(path_, fmt::format("\"{}\" comes twice in the header", parsed.get<std::string>()));
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
    fail_in(path, fmt::format("the header is not JSON: error at byte {} of {}", error.byte, text.size()));
  } catch (const Json::out_of_range&) {
    fail_in(path, "the header holds a number beyond the range of a double");
  }
  if (!header.is_object())
    fail_in(path, fmt::format("the header is a JSON {}, expected an object", header.type_name()));
  return header;
}

void check_metadata(const Path& path, const Json& metadata) {
  const bool strings = metadata.is_object() && std::all_of(metadata.begin(), metadata.end(),
                                                           [](const Json& v) { return v.is_string(); });
  if (!strings) fail_in(path, "__metadata__ must be an object of strings");
}

std::string parse_dtype(const Path& path, const std::string& name, const Json& field) {
  auto text = field.get<std::string>();
  if (find_dtype(text) == kDtypes.end()) {
    std::vector<std::string_view> known;
    for (const Dtype& dtype : kDtypes) known.push_back(dtype.name);
    fail_in(path, name,
            fmt::format("unknown dtype \"{}\", expected one of {}", text, fmt::join(known, ", ")));
  }
  return text;
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
  if (!complete) fail_in(path, name, "expected an object of dtype, shape and data_offsets [begin, end]");
  return {name, parse_dtype(path, name, json["dtype"]), json["shape"].get<std::vector<int64_t>>(),
          json["data_offsets"][0].get<uint64_t>(), json["data_offsets"][1].get<uint64_t>()};
}

/// The bytes that a shape asks for; nothing when they exceed 63 bits.
std::optional<uint64_t> byte_count(const Entry& entry) {
  uint64_t count = find_dtype(entry.dtype)->bytes;
  for (const int64_t size : entry.shape) {
    if (size < 0 || __builtin_mul_overflow(count, static_cast<uint64_t>(size), &count) || count >> 63 != 0) {
      return std::nullopt;
    }
  }
  return count;
}

void check_entry(const Path& path, const Entry& entry, uint64_t data_size) {
  if (entry.begin > entry.end || entry.end > data_size) {
    fail_in(path, entry.name,
            fmt::format("offsets [{}, {}] are out of range, the file holds {} bytes of data", entry.begin,
                        entry.end, data_size));
  }
  const std::optional<uint64_t> bytes = byte_count(entry);
  if (bytes != entry.end - entry.begin) {
    fail_in(path, entry.name,
            fmt::format("{} bytes of data, but {} of shape [{}] need {}", entry.end - entry.begin,
                        find_dtype(entry.dtype)->word, fmt::join(entry.shape, ", "),
                        bytes ? fmt::to_string(*bytes) : "more than 2^63"));
  }
}

/// Sorted by offset, the entries must cover the data without overlap or gap.
void check_cover(const Path& path, const std::vector<Entry>& entries, uint64_t data_size) {
  uint64_t end = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    if (entry.begin < end) {
      fail_in(path, entry.name,
              fmt::format("data from byte {} overlaps tensor \"{}\" that ends at {}", entry.begin,
                          entries[i - 1].name, end));
    }
    if (entry.begin > end) {
      fail_in(path, entry.name,
              fmt::format("bytes {} to {} before its data belong to no tensor", end, entry.begin));
    }
    end = entry.end;
  }
  if (end != data_size)
    fail_in(path, fmt::format("bytes {} to {} of the data belong to no tensor", end, data_size));
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

}  // namespace

SafetensorsReader::SafetensorsReader(Path path) : path_(std::move(path)), in_(path_, std::ios::binary) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path_, error)) fail_in(path_, "not found, or not a file");
  size_ = std::filesystem::file_size(path_, error);
  if (!in_ || error) fail_in(path_, "cannot be read");
  const std::string header = read_header();
  data_begin_ = sizeof(uint64_t) + header.size();
  entries_ = parse_entries(path_, header, size_ - data_begin_);
}

void SafetensorsReader::read(const SafetensorsEntry& entry, void* to) {
  if (entry.end == entry.begin) return;
  in_.seekg(static_cast<std::streamoff>(data_begin_ + entry.begin));
  read_bytes(to, entry.end - entry.begin);
}

void SafetensorsReader::fail(const SafetensorsEntry& entry, const std::string& fault) const {
  fail_in(path_, entry.name, fault);
}

void SafetensorsReader::read_bytes(void* to, uint64_t bytes) {
  if (!in_.read(static_cast<char*>(to), static_cast<std::streamsize>(bytes))) {
    fail_in(path_, "cannot be read");
  }
}

std::string SafetensorsReader::read_header() {
  uint64_t length = 0;
  if (size_ < sizeof(length)) {
    fail_in(path_, fmt::format("truncated: {} bytes, expected at least the 8 of the header length", size_));
  }
  read_bytes(&length, sizeof(length));
  if (length > kMaximalHeader) {
    fail_in(path_, fmt::format("a header of {} bytes is longer than {}", length, kMaximalHeader));
  }
  if (length > size_ - sizeof(length)) {
    fail_in(path_, fmt::format("a header of {} bytes is longer than the file of {} bytes", length, size_));
  }
  std::string text(length, '\0');
  read_bytes(text.data(), length);
  return text;
}

void write_raw_safetensors(const Path& path, const std::vector<SafetensorsTensor>& tensors) {
  Json header = {{"__metadata__", {{"format", "pt"}}}};
  size_t offset = 0;
  for (const SafetensorsTensor& tensor : tensors) {
    const size_t end = offset + tensor.bytes.size();
    header[tensor.name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  write_atomically(path, [&](std::ostream& out) {
    out.write(reinterpret_cast<const char*>(&length), sizeof(length));
    out << text;
    for (const SafetensorsTensor& tensor : tensors) {
      out.write(reinterpret_cast<const char*>(tensor.bytes.data()),
                static_cast<std::streamsize>(tensor.bytes.size()));
    }
  });
}

}  // namespace normgraft
