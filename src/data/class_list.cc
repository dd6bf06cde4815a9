#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>

#include "normgraft/core/error.h"
#include "normgraft/data/folder.h"

namespace normgraft {
namespace {

/// The fields of one line of CSV, with quotes resolved; nothing when a quote is not closed or not at the edge
/// of its field.
std::optional<std::vector<std::string>> split_csv(std::string_view line) {
  std::vector<std::string> fields(1);
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == ',') {
      fields.emplace_back();
    } else if (line[i] != '"') {
      fields.back() += line[i];
    } else if (!fields.back().empty()) {
      return std::nullopt;
    } else {
      for (++i;; ++i) {
        if (i >= line.size()) return std::nullopt;
        const bool quote = line[i] == '"';
        const bool doubled = quote && i + 1 < line.size() && line[i + 1] == '"';
        if (quote && !doubled) break;
        fields.back() += line[i];
        if (doubled) ++i;
      }
      if (i + 1 < line.size() && line[i + 1] != ',') return std::nullopt;
    }
  }
  return fields;
}

/// Takes the next line, without its end, off the text.
std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::optional<int64_t> to_class_index(const std::string& field) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc{} || end != field.data() + field.size() || value < 0) return std::nullopt;
  return value;
}

}  // namespace

ClassList class_list_from(const std::vector<std::string>& names) {
  ClassList classes;
  for (const std::string& name : names) {
    const auto index = static_cast<int64_t>(classes.index.size());
    if (name.empty()) {
      throw InputError(fmt::format("label_names: name {} is empty, expected the name of a folder", index));
    }
    if (!classes.index.emplace(name, index).second) {
      throw InputError(
          fmt::format("label_names: name {} is \"{}\" a second time, expected each once", index, name));
    }
  }
  if (classes.index.empty()) throw InputError("label_names is empty, expected a name for each class");
  return classes;
}

ClassList read_class_list(const Path& csv) {
  const std::string content = read_file(csv, "class list");
  std::string_view rest = content;
  if (rest.starts_with("\xef\xbb\xbf")) rest.remove_prefix(3);
  int line_number = 1;
  const auto fail = [&](const std::string& what) {
    throw InputError(fmt::format("class list {}, line {}: {}", csv.string(), line_number, what));
  };
  const auto split = [&](std::string_view line) {
    auto fields = split_csv(line);
    if (!fields) fail("a misplaced quote, expected fields like a,\"b, c\"");
    return *fields;
  };

  const std::vector<std::string> header = split(take_line(rest));
  const auto column = [&](const char* name) {
    const auto found = std::find(header.begin(), header.end(), name);
    if (found == header.end())
      fail(fmt::format("no column {}, expected a header with class_index and wnid", name));
    return static_cast<size_t>(found - header.begin());
  };
  const size_t index_column = column("class_index");
  const size_t wnid_column = column("wnid");

  ClassList classes;
  std::set<int64_t> indices;
  while (!rest.empty()) {
    ++line_number;
    const std::string_view line = take_line(rest);
    if (line.empty()) continue;
    const std::vector<std::string> row = split(line);
    if (row.size() != header.size()) {
      fail(fmt::format("{} fields, expected {} as in the header", row.size(), header.size()));
    }
    const std::optional<int64_t> index = to_class_index(row[index_column]);
    if (!index) fail(fmt::format("class_index is \"{}\", expected a number from 0", row[index_column]));
    if (row[wnid_column].empty()) fail("wnid is empty, expected the name of a folder");
    if (!indices.insert(*index).second) fail(fmt::format("class_index {} appears a second time", *index));
    if (!classes.index.emplace(row[wnid_column], *index).second) {
      fail(fmt::format("wnid {} appears a second time", row[wnid_column]));
    }
  }
  if (classes.index.empty()) fail("no classes follow, expected one line for each");
  return classes;
}

}  // namespace normgraft
