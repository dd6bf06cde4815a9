#pragma once

#include "normgraft/core/files.h"

namespace normgraft {

/// Whether torchvision's ImageFolder takes a file of this name for a picture.
bool is_picture_name(const Path& path);

/// The words for what open_pictures() expects.
inline constexpr const char* kPictureNames =
    ".jpg, .jpeg, .png, .webp, .tif, .tiff, .bmp, .ppm or .pgm files";

/// A to Z as a to z.
std::string lower_extension(const Path& path);

}  // namespace normgraft
