#include <fmt/format.h>

#include "codecs.h"
#include "normgraft/core/error.h"

namespace normgraft {
namespace {

constexpr int64_t kMaxSide = 65535;
constexpr int64_t kMaxPixels = 100'000'000;

}  // namespace

Image blank_image(int64_t width, int64_t height, const Path& path) {
  const bool plausible = width >= 1 && height >= 1 && width <= kMaxSide && height <= kMaxSide;
  if (!plausible || width * height > kMaxPixels) {
    throw InputError(fmt::format("picture {} says it has {} x {} pixels, expected at most {} in all",
                                 path.string(), width, height, kMaxPixels));
  }
  Image image{static_cast<int>(width), static_cast<int>(height), {}};
  image.rgb.resize(static_cast<size_t>(width * height * 3));
  return image;
}

Image decode_image(const Path& path) {
  const std::string bytes = read_file(path, "picture");
  if (bytes.starts_with("\xff\xd8\xff")) return decode_jpeg(bytes, path);
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) return decode_png(bytes, path);
  throw InputError(fmt::format("picture {} is neither a JPEG nor a PNG", path.string()));
}

}  // namespace normgraft
