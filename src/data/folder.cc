#include "normgraft/data/folder.h"

#include <fmt/format.h>

#include <algorithm>

#include "normgraft/core/error.h"

namespace normgraft {
namespace {

namespace fs = std::filesystem;

bool is_picture_name(const Path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

/// What is in a folder. Throws InputError when it cannot be listed.
std::vector<fs::directory_entry> list(const Path& folder) {
  std::error_code error;
  std::vector<fs::directory_entry> entries;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(*it);
  }
  if (error) throw InputError(fmt::format("cannot list folder {}: {}", folder.string(), error.message()));
  return entries;
}

std::vector<std::string> class_folders(const Path& root) {
  std::error_code error;
  if (!fs::exists(root, error)) throw InputError(fmt::format("picture folder not found: {}", root.string()));
  if (!fs::is_directory(root, error))
    throw InputError(fmt::format("{} is not a folder of pictures", root.string()));
  const auto entries = list(root);
  if (entries.empty()) throw InputError(fmt::format("picture folder {} is empty", root.string()));
  std::vector<std::string> names;
  for (const auto& entry : entries) {
    if (entry.is_directory(error)) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

int64_t label_of(const std::string& name, size_t rank, const Path& root, const ClassList* classes) {
  if (classes == nullptr) return static_cast<int64_t>(rank);
  const auto found = classes->index.find(name);
  if (found == classes->index.end()) {
    throw InputError(fmt::format("folder {} of {} is not in the class list, expected one of its {} wnids",
                                 name, root.string(), classes->index.size()));
  }
  return found->second;
}

}  // namespace

PictureFolder open_picture_folder(const Path& root, const ClassList* classes) {
  PictureFolder folder{{}, class_folders(root)};
  for (size_t rank = 0; rank < folder.classes.size(); ++rank) {
    const std::string& name = folder.classes[rank];
    const int64_t label = label_of(name, rank, root, classes);
    for (const auto& entry : list(root / name)) {
      std::error_code error;
      if (is_picture_name(entry.path()) && entry.is_regular_file(error)) {
        folder.pictures.push_back({entry.path(), label});
      }
    }
  }
  if (folder.pictures.empty()) {
    throw InputError(fmt::format("no pictures in {}, expected <class>/<file> with .jpg, .jpeg or .png files",
                                 root.string()));
  }
  std::sort(folder.pictures.begin(), folder.pictures.end(),
            [](const Picture& a, const Picture& b) { return a.path.native() < b.path.native(); });
  return folder;
}

}  // namespace normgraft
