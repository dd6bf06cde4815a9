#pragma once

#include "normgraft/data/folder.h"
#include "normgraft/data/image.h"

namespace normgraft {

/// Opens pictures of any of these:
///
/// A tree of class folders: open_picture_folder().
///
/// A tar file, or a folder with tar files in it (WebDataset's shards, not compressed). A picture KEY.jpg has
/// the class that KEY.cls says, a whole number. Where no picture has such a file, classes are the folders
/// within the archives, ranked or listed as those of a tree; pictures in none have no class.
///
/// A list, a .txt, .tsv or .csv file: on each line the path of a picture, relative to the list's folder, and
/// after a space, tab or comma its class, a whole number or a name of the class list, where it has one.
///
/// Pictures without a class have label -1. What is passed over is said in one notice. Throws InputError as
/// open_picture_folder() does, for an archive that is damaged or compressed, and with the line number for a
/// class that is none.
PictureFolder open_pictures(const Path& path, const ClassList* classes, Monitor& monitor);

/// Decodes a picture (decode_image), within an archive too.
Image decode_picture(const Picture& picture);

}  // namespace normgraft
