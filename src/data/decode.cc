#include <fmt/format.h>

#include <fstream>

#include "codecs.h"
#include "normgraft/data/pictures.h"

namespace normgraft {
namespace {

constexpr int64_t kMaxSide = 65535;
constexpr int64_t kMaxPixels = 100'000'000;

/// An ink over what black leaves: round(a * b / 255).
int share(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

using Decoder = Image (*)(const std::string& bytes, const Path& path);

/// The decoder of the format that the first bytes tell; none for what is no picture.
Decoder decoder_for(std::string_view bytes) {
  using namespace std::string_view_literals;
  if (bytes.starts_with("\xff\xd8\xff"sv)) return decode_jpeg;
  if (bytes.starts_with("\x89PNG\r\n\x1a\n"sv)) return decode_png;
  if (bytes.starts_with("RIFF"sv) && bytes.substr(0, 12).ends_with("WEBP"sv)) return decode_webp;
  for (std::string_view magic : {"II*\0"sv, "MM\0*"sv, "II+\0"sv, "MM\0+"sv}) {
    if (bytes.starts_with(magic)) return decode_tiff;
  }
  if (bytes.starts_with("BM"sv)) return decode_bmp;
  if (bytes.size() >= 2 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6') return decode_pnm;
  return nullptr;
}

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

InputError damaged_picture(const Path& path, std::string_view complaint) {
  return InputError(fmt::format("picture {} is truncated or damaged: {}", path.string(), complaint));
}

InputError unsupported_picture(const Path& path, std::string_view what, std::string_view expected) {
  return InputError(fmt::format("picture {} has {}, expected {}", path.string(), what, expected));
}

void inks_to_rgb(const uint8_t* inks, uint8_t* rgb) {
  const int light = 255 - inks[3];
  for (int c = 0; c < 3; ++c) rgb[c] = static_cast<uint8_t>(light - share(inks[c], light));
}

namespace {

Image decode_bytes(const std::string& bytes, const Path& path) {
  const Decoder decode = decoder_for(bytes);
  if (decode == nullptr) {
    throw InputError(fmt::format(
        "picture {} is none: expected the content of a JPEG, PNG, WebP, TIFF, BMP, PPM, PGM or PBM",
        path.string()));
  }
  return decode(bytes, path);
}

std::string read_extent(const Extent& extent, const Path& path) {
  std::string bytes(static_cast<size_t>(extent.bytes), '\0');
  std::ifstream in(extent.file, std::ios::binary);
  if (!in.seekg(extent.begin) || !in.read(bytes.data(), extent.bytes))
    throw InputError(fmt::format("picture {} cannot be read", path.string()));
  return bytes;
}

}  // namespace

Image decode_image(const Path& path) {
  return decode_bytes(read_file(path, "picture"), path);
}

Image decode_picture(const Picture& picture) {
  if (!picture.within) return decode_image(picture.path);
  return decode_bytes(read_extent(*picture.within, picture.path), picture.path);
}

}  // namespace normgraft
