#include "picture_list.h"

#include <fmt/format.h>

#include <optional>
#include <sstream>
#include <string>
#include <string_view>

#include "normgraft/core/error.h"
#include "picture_names.h"

namespace normgraft {
namespace {

constexpr std::string_view kSpaces = " \t\r";

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) + 1 - begin);
}

std::optional<int64_t> label_named(std::string_view text, const ClassList* classes) {
  if (const auto number = class_number(text)) return number;
  if (classes == nullptr) return std::nullopt;
  const auto found = classes->index.find(std::string(text));
  return found == classes->index.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

bool is_list_name(const Path& path) {
  const std::string extension = lower_extension(path);
  return extension == ".txt" || extension == ".tsv" || extension == ".csv";
}

PictureFolder open_picture_list(const Path& list, const ClassList* classes) {
  std::istringstream lines(read_file(list, "list of pictures"));
  PictureFolder found;
  found.numbered = true;
  int64_t number = 0;
  for (std::string whole; std::getline(lines, whole);) {
    ++number;
    const std::string_view line = trimmed(whole);
    if (line.empty()) continue;
    std::string_view name = line;
    int64_t label = -1;
    if (!is_picture_name(name)) {
      const size_t cut = line.find_last_of(" \t,");
      name = cut == std::string_view::npos ? name : trimmed(line.substr(0, cut));
      const auto said =
          cut == std::string_view::npos ? std::nullopt : label_named(line.substr(cut + 1), classes);
      if (!said || !is_picture_name(name)) {
        throw InputError(fmt::format(
            "list of pictures {}, line {}: expected the name of a picture ({}), and behind it nothing or "
            "its class, a number or a name of the class list",
            list.string(), number, kPictureNames));
      }
      label = *said;
    }
    found.pictures.push_back({list.parent_path() / Path(name), label, {}});
  }
  if (found.pictures.empty())
    throw InputError(
        fmt::format("list of pictures {}: it is empty, expected a picture on each line", list.string()));
  sort_by_path(found.pictures);
  return found;
}

}  // namespace normgraft
