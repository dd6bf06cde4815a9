#pragma once

#include <array>
#include <cstdint>

#include "normgraft/data/image.h"

namespace normgraft {

/// Operations on pictures, to the level what Pillow's ImageEnhance and ImageOps give (affine: to one level).
/// They work in place.

/// Factor 0 gives black, the grey of the mean, grey, or a smoothed picture; 1 the picture itself; more
/// exaggerates.
void adjust_brightness(Image& image, double factor);
void adjust_contrast(Image& image, double factor);
void adjust_saturation(Image& image, double factor);
void adjust_sharpness(Image& image, double factor);

/// Stretches each channel to 0-255.
void auto_contrast(Image& image);
/// Flattens the histogram of each channel.
void equalize(Image& image);
void invert(Image& image);
/// Keeps the uppermost `bits` (0-8) of each channel.
void posterize(Image& image, int bits);
/// Inverts levels from `threshold` on.
void solarize(Image& image, int threshold);
/// Adds to levels below 128, up to 255.
void solarize_add(Image& image, int add);
void flip_horizontally(Image& image);

/// Pixel (x, y) of the result is the bilinear sample of the input at (m0 x + m1 y + m2, m3 x + m4 y + m5), in
/// coordinates whose pixel centres lie at halves; `fill` where that is outside.
void affine(Image& image, const std::array<double, 6>& m, const std::array<uint8_t, 3>& fill);

}  // namespace normgraft
