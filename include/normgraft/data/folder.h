#pragma once

#include <map>
#include <string>
#include <vector>

#include "normgraft/core/files.h"

namespace normgraft {

/// The classes of a model: wnid (folder name) -> index.
struct ClassList {
  std::map<std::string, int64_t> index;
};

/// Reads a CSV with a header line naming at least class_index and wnid. Throws InputError with the line
/// number where a row is wrong or a wnid or index repeats.
ClassList read_class_list(const Path& csv);

/// One picture and its class.
struct Picture {
  Path path;
  int64_t label = 0;
};

/// An ImageFolder tree, <class>/<file>, sorted by path (bytewise).
struct PictureFolder {
  std::vector<Picture> pictures;
  std::vector<std::string> classes;  ///< folder names, sorted
};

/// Lists a tree. A picture's label is its folder's index in `classes` when given, else the rank of its folder
/// among the folders there are. Files that are not named as JPEG or PNG (.jpg .jpeg .png, any case) are
/// passed over. Throws InputError: missing or empty folder, no pictures below it, a folder absent from the
/// class list.
PictureFolder open_picture_folder(const Path& root, const ClassList* classes = nullptr);

}  // namespace normgraft
