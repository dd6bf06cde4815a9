#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "normgraft/data/folder.h"

namespace normgraft {

/// Whether torchvision's ImageFolder takes a file of this name for a picture.
bool is_picture_name(const Path& path);

/// The words for what open_pictures() expects.
inline constexpr const char* kPictureNames =
    ".jpg, .jpeg, .png, .webp, .tif, .tiff, .bmp, .ppm or .pgm files";

/// A to Z as a to z.
std::string lower_extension(const Path& path);

/// The number of a class; nothing for what is no whole number of at least 0.
std::optional<int64_t> class_number(std::string_view text);

/// By path, bytewise; pictures of one path stay in their order.
void sort_by_path(std::vector<Picture>& pictures);

}  // namespace normgraft
