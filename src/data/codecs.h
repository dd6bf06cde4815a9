#pragma once

#include <cstdint>
#include <string>

#include "normgraft/data/image.h"

namespace normgraft {

/// The decoders behind decode_image: `bytes` is the content of the file `path`, which errors name.
Image decode_jpeg(const std::string& bytes, const Path& path);
Image decode_png(const std::string& bytes, const Path& path);

/// An image without content yet. Throws InputError naming the file for a picture of no or absurdly many
/// pixels.
Image blank_image(int64_t width, int64_t height, const Path& path);

}  // namespace normgraft
