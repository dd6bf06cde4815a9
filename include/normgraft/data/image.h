#pragma once

#include <cstdint>
#include <vector>

#include "normgraft/core/files.h"

namespace normgraft {

/// An 8-bit RGB picture, row-major, 3 bytes a pixel.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;
};

/// Decodes a JPEG, PNG, WebP, TIFF, BMP, PPM, PGM or PBM, told apart by content, to RGB as Pillow 9.4's
/// convert("RGB") does: grey is repeated, palettes are expanded, alpha is dropped, CMYK is converted, 16-bit
/// grey is cut at 255, 16-bit colours keep their high byte, a TIFF is turned upright (a JPEG is not). Of
/// several pictures the first is taken.
///
/// Throws InputError naming the file when it is no picture, has more than 100 million pixels, is of a kind
/// that is not read (compressed BMP; TIFF of floating-point or signed samples, of Lab, or of YCbCr outside
/// JPEG), or is truncated or damaged: whatever the decoder complains about, be it a warning, counts. Only
/// bytes behind a complete picture do not matter.
Image decode_image(const Path& path);

/// Writes an RGB PNG atomically.
void write_png(const Path& path, const Image& image);

/// A region of a picture in pixels; may have fractional edges.
struct Box {
  double left, top, right, bottom;
};

/// The filters of Pillow: support 1 (bilinear) and 2 (bicubic, a = -0.5), widened when shrinking.
enum class Interpolation : uint8_t { kBilinear, kBicubic };

/// Resamples `box` of the picture to width x height as Pillow's Image.resize does: horizontal pass first,
/// fixed-point weights, rounding to 8 bits between the passes.
Image resize(const Image& image, int width, int height, Interpolation interpolation, const Box& box);
Image resize(const Image& image, int width, int height, Interpolation interpolation);

}  // namespace normgraft
