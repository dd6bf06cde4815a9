#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "normgraft/core/error.h"
#include "normgraft/data/image.h"

namespace normgraft {

/// The decoders behind decode_image: `bytes` is the content of the file `path`, which errors name. Each takes
/// all or nothing: what its library complains about is refused, what follows a complete picture is not read.
Image decode_jpeg(const std::string& bytes, const Path& path);
Image decode_png(const std::string& bytes, const Path& path);
Image decode_webp(const std::string& bytes, const Path& path);
Image decode_tiff(const std::string& bytes, const Path& path);
Image decode_bmp(const std::string& bytes, const Path& path);
Image decode_pnm(const std::string& bytes, const Path& path);

/// An image without content yet. Throws InputError naming the file for a picture of no or absurdly many
/// pixels.
Image blank_image(int64_t width, int64_t height, const Path& path);

/// What to throw for bytes that are missing or wrong, and for a sound picture of a kind that is not read.
InputError damaged_picture(const Path& path, std::string_view complaint);
InputError unsupported_picture(const Path& path, std::string_view what, std::string_view expected);

/// Cyan, magenta, yellow and black, where 0 is no ink, to RGB.
void inks_to_rgb(const uint8_t* inks, uint8_t* rgb);

}  // namespace normgraft
