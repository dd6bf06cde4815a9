#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "normgraft/core/files.h"
#include "normgraft/core/monitor.h"

namespace normgraft {

/// The classes of a model: name of a folder (a wnid, say) -> index.
struct ClassList {
  std::map<std::string, int64_t> index;
};

/// The classes that a model's config names in order (timm's `label_names`): name i has index i. Throws
/// InputError for an empty list, and for a name that is empty or repeats, with its place.
ClassList class_list_from(const std::vector<std::string>& names);

/// Reads a CSV with a header line naming at least class_index and wnid. Throws InputError with the line
/// number where a row is wrong or a wnid or index repeats.
ClassList read_class_list(const Path& csv);

/// Bytes of a file that holds several pictures.
struct Extent {
  Path file;
  int64_t begin = 0, bytes = 0;
};

/// One picture and its class.
struct Picture {
  Path path;           ///< of an archive's picture the archive's path and the name within it
  int64_t label = -1;  ///< -1: none is known
  std::optional<Extent> within = {};
};

/// Pictures of a tree <class>/.../<file>, or of an archive or a list (open_pictures), sorted by path
/// (bytewise).
struct PictureFolder {
  std::vector<Picture> pictures;
  std::vector<std::string> classes;  ///< names of the folders below the root, in the order of their ranks
  bool numbered = false;             ///< labels were given as numbers, not by folders
};

/// Lists a tree as torchvision's ImageFolder does, by the names of its files: .jpg .jpeg .png .ppm .bmp .pgm
/// .tif .tiff .webp, any case, at any depth below the folder of their class. Links are followed, to each
/// folder of a class once and never to one that holds the tree.
///
/// A picture's label is its folder's index in `classes` when given, else the rank of its folder in natural
/// order (c2 before c10, as timm numbers classes). Without a class list a folder without pictures keeps its
/// rank.
///
/// Hidden files and folders (names that begin with a dot), files beside the class folders and files of other
/// names are passed over. Broken links and folders that are named as pictures are listed, so that whoever
/// reads the pictures counts them as unreadable. All of this, and pictures deeper than <class>/<file>, is
/// said with its numbers in one notice.
///
/// Throws InputError: missing or empty folder, no pictures below it, a folder that cannot be listed, one
/// with pictures that the class list does not have.
PictureFolder open_picture_folder(const Path& root, const ClassList* classes, Monitor& monitor);

}  // namespace normgraft
