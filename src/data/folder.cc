#include "normgraft/data/folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "class_order.h"
#include "normgraft/core/error.h"
#include "picture_names.h"
#include "remarks.h"

namespace normgraft {
namespace {

namespace fs = std::filesystem;

bool is_hidden(const Path& path) {
  return path.filename().native().starts_with('.');
}

bool is_folder(const fs::directory_entry& entry) {
  std::error_code error;
  return entry.is_directory(error);
}

/// What is in a folder, sorted. Throws InputError when it cannot be listed.
std::vector<fs::directory_entry> list(const Path& folder) {
  std::error_code error;
  std::vector<fs::directory_entry> entries;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(*it);
  }
  if (error) throw InputError(fmt::format("cannot list folder {}: {}", folder.string(), error.message()));
  std::sort(entries.begin(), entries.end());
  return entries;
}

/// A folder's one name, whatever links lead to it.
Path real_path(const Path& folder) {
  std::error_code error;
  Path real = fs::canonical(folder, error);
  return error ? folder : real;
}

bool is_same_or_below(const Path& path, const Path& above) {
  return std::mismatch(above.begin(), above.end(), path.begin(), path.end()).first == above.end();
}

/// Reads the folders of the classes.
class Tree {
 public:
  explicit Tree(const Path& root) : root_(root), real_root_(real_path(root)) {}

  /// The folders below the root, in the order of the classes.
  std::vector<std::string> class_folders() {
    std::vector<std::string> names;
    for (const auto& entry : list(root_)) {
      if (is_hidden(entry.path())) {
        add_hidden(entry);
      } else if (!is_folder(entry)) {
        ++remarks.beside;
      } else if (holds_the_tree(entry.path())) {
        ++remarks.links_back;
      } else {
        names.push_back(entry.path().filename().string());
      }
    }
    std::sort(names.begin(), names.end(), comes_before);
    return names;
  }

  std::vector<Path> pictures_of(const std::string& name) {
    std::vector<Path> found;
    std::set<Path> seen;
    read(root_ / name, 1, seen, found);
    if (found.empty()) remarks.empty.push_back(name);
    return found;
  }

  Remarks remarks;

 private:
  void add_hidden(const fs::directory_entry& entry) {
    ++(is_folder(entry) ? remarks.hidden_folders : remarks.hidden_files);
  }
  void add_other(const Path& path) {
    ++remarks.others;
    remarks.extensions.insert(path.has_extension() ? lower_extension(path) : "no extension");
  }
  bool holds_the_tree(const Path& folder) const { return is_same_or_below(real_root_, real_path(folder)); }

  /// Links are followed, but to every folder once and never back up.
  void read(const Path& folder, int depth, std::set<Path>& seen, std::vector<Path>& found) {
    seen.insert(real_path(folder));
    for (const auto& entry : list(folder)) {
      const Path& path = entry.path();
      std::error_code error;
      const bool is_file = entry.is_regular_file(error);
      const bool is_broken = entry.is_symlink(error) && !entry.exists(error);
      if (is_hidden(path)) {
        add_hidden(entry);
      } else if (is_picture_name(path) && (is_file || is_broken || is_folder(entry))) {
        found.push_back(path);
        if (!is_file) ++remarks.unreadable;
        if (depth > 1) ++remarks.deeper;
      } else if (!is_folder(entry)) {
        add_other(path);
      } else if (holds_the_tree(path)) {
        ++remarks.links_back;
      } else if (seen.contains(real_path(path))) {
        ++remarks.repeated;
      } else {
        read(path, depth + 1, seen, found);
      }
    }
  }

  const Path& root_;
  const Path real_root_;
};

int64_t label_of(const std::string& name, size_t rank, const Path& root, const ClassList* classes) {
  if (classes == nullptr) return static_cast<int64_t>(rank);
  const auto found = classes->index.find(name);
  if (found == classes->index.end()) {
    throw InputError(fmt::format("folder {} of {} is not in the class list, expected one of its {} names",
                                 name, root.string(), classes->index.size()));
  }
  return found->second;
}

void require_folder(const Path& root) {
  std::error_code error;
  if (!fs::exists(root, error)) throw InputError(fmt::format("picture folder not found: {}", root.string()));
  if (!fs::is_directory(root, error)) {
    throw InputError(fmt::format("{} is not a folder of pictures", root.string()));
  }
  if (list(root).empty()) throw InputError(fmt::format("picture folder {} is empty", root.string()));
}

}  // namespace

PictureFolder open_picture_folder(const Path& root, const ClassList* classes, Monitor& monitor) {
  require_folder(root);
  Tree tree(root);
  PictureFolder folder{{}, tree.class_folders()};
  for (size_t rank = 0; rank < folder.classes.size(); ++rank) {
    const std::string& name = folder.classes[rank];
    const std::vector<Path> pictures = tree.pictures_of(name);
    if (pictures.empty()) continue;
    const int64_t label = label_of(name, rank, root, classes);
    for (const Path& path : pictures) folder.pictures.push_back({path, label, {}});
  }
  const std::string remarks = summary(tree.remarks, folder.classes, classes != nullptr);
  if (folder.pictures.empty()) {
    throw InputError(fmt::format("no pictures in {}, expected <class>/<file> with {}{}{}", root.string(),
                                 kPictureNames, remarks.empty() ? "" : "; ", remarks));
  }
  sort_by_path(folder.pictures);
  if (!remarks.empty()) monitor.notice(fmt::format("pictures in {}: {}", root.string(), remarks));
  return folder;
}

}  // namespace normgraft
