#pragma once

#include "normgraft/data/folder.h"

namespace normgraft {

/// Whether a file is named as a list of pictures.
bool is_list_name(const Path& path);

/// The pictures of a list, as open_pictures() describes it.
PictureFolder open_picture_list(const Path& list, const ClassList* classes);

}  // namespace normgraft
