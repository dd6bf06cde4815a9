#include "remarks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

namespace normgraft {
namespace {

/// "1 file" or "3 files"; nothing for none.
void add_count(std::vector<std::string>& to, int64_t count, std::string_view one, std::string_view many) {
  if (count > 0) to.push_back(fmt::format("{} {}", count, count == 1 ? one : many));
}

/// The first few of them.
template <class Names>
std::string some_of(const Names& names) {
  constexpr size_t kShown = 5;
  const std::vector<std::string> shown(names.begin(),
                                       std::next(names.begin(), std::min(kShown, names.size())));
  return fmt::format("{}{}", fmt::join(shown, ", "), names.size() > kShown ? ", ..." : "");
}

std::string passed_over(const Remarks& remarks, bool has_class_list) {
  std::vector<std::string> parts;
  add_count(parts, remarks.hidden_files, "hidden file", "hidden files");
  add_count(parts, remarks.hidden_folders, "hidden folder", "hidden folders");
  add_count(parts, remarks.beside, "file beside the class folders", "files beside the class folders");
  const std::string kinds = fmt::format(" ({})", some_of(remarks.extensions));
  add_count(parts, remarks.others, "file that is no picture" + kinds, "files that are no pictures" + kinds);
  add_count(parts, remarks.links_back, "link to a folder that holds the tree",
            "links to folders that hold the tree");
  add_count(parts, remarks.repeated, "link to a folder of the class that is there already",
            "links to folders of their class that are there already");
  if (has_class_list) {
    const std::string names = fmt::format(" ({})", some_of(remarks.empty));
    add_count(parts, static_cast<int64_t>(remarks.empty.size()), "folder without pictures" + names,
              "folders without pictures" + names);
  }
  return parts.empty() ? "" : fmt::format("passed over {}", fmt::join(parts, ", "));
}

/// How the ranks of the folders differ from those of their sorted names; nothing when they do not.
std::string about_order(const std::vector<std::string>& classes) {
  const auto wrong = std::is_sorted_until(classes.begin(), classes.end());
  if (wrong == classes.end()) return "";
  return fmt::format(
      "classes are numbered in natural order as by timm ({} before {}), not by sorted names as by "
      "torchvision",
      *std::prev(wrong), *wrong);
}

}  // namespace

std::string summary(const Remarks& remarks, const std::vector<std::string>& classes, bool has_class_list) {
  std::vector<std::string> parts;
  const auto add = [&](std::string part) {
    if (!part.empty()) parts.push_back(std::move(part));
  };
  add(passed_over(remarks, has_class_list));
  add_count(parts, remarks.unreadable,
            "broken link or folder that is named as a picture counts as unreadable",
            "broken links or folders that are named as pictures count as unreadable");
  add_count(parts, remarks.deeper, "picture lies deeper and belongs to the class of its top folder",
            "pictures lie deeper and belong to the classes of their top folders");
  if (has_class_list) return fmt::format("{}", fmt::join(parts, "; "));
  const std::string names = fmt::format("({})", some_of(remarks.empty));
  add_count(parts, static_cast<int64_t>(remarks.empty.size()),
            fmt::format("folder without pictures stays a class {}", names),
            fmt::format("folders without pictures stay classes {}", names));
  add(about_order(classes));
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace normgraft
