#include "normgraft/data/filters.h"

#include <algorithm>
#include <cmath>

namespace normgraft {
namespace {

using Levels = std::array<uint8_t, 256>;
using Histogram = std::array<int64_t, 256>;

int luma(const uint8_t* rgb) {
  return (rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16;
}

/// From `base` (factor 0) to `level` (factor 1) and beyond, in single precision, rounded down.
uint8_t blend(int base, int level, float factor) {
  const float mixed = static_cast<float>(base) + factor * static_cast<float>(level - base);
  return static_cast<uint8_t>(std::clamp(mixed, 0.0F, 255.0F));
}

double mix(double from, double to, double share) {
  return from + (to - from) * share;
}

/// Replaces every level, alike in all channels.
template <class Function>
void map_levels(Image& image, Function function) {
  Levels levels;
  for (int level = 0; level < 256; ++level)
    levels[static_cast<size_t>(level)] = static_cast<uint8_t>(function(level));
  for (uint8_t& value : image.rgb) value = levels[value];
}

/// Replaces the levels of each channel by what `make_levels` makes of its histogram.
template <class MakeLevels>
void map_channels(Image& image, MakeLevels make_levels) {
  for (size_t c = 0; c < 3; ++c) {
    Histogram histogram{};
    for (size_t i = c; i < image.rgb.size(); i += 3) ++histogram[image.rgb[i]];
    const Levels levels = make_levels(histogram);
    for (size_t i = c; i < image.rgb.size(); i += 3) image.rgb[i] = levels[image.rgb[i]];
  }
}

Levels unchanged() {
  Levels levels;
  for (size_t level = 0; level < 256; ++level) levels[level] = static_cast<uint8_t>(level);
  return levels;
}

Levels stretching(const Histogram& histogram) {
  const auto occupied = [](int64_t count) { return count > 0; };
  const auto low = std::find_if(histogram.begin(), histogram.end(), occupied) - histogram.begin();
  const auto high = histogram.rend() - std::find_if(histogram.rbegin(), histogram.rend(), occupied) - 1;
  Levels levels = unchanged();
  if (high <= low) return levels;
  const double scale = 255.0 / static_cast<double>(high - low);
  const double offset = static_cast<double>(-low) * scale;
  for (size_t level = 0; level < 256; ++level) {
    levels[level] = static_cast<uint8_t>(
        std::clamp(static_cast<int>(static_cast<double>(level) * scale + offset), 0, 255));
  }
  return levels;
}

Levels flattening(const Histogram& histogram) {
  int64_t total = 0, brightest = 0, occupied = 0;
  for (int64_t count : histogram) {
    if (count == 0) continue;
    total += count;
    brightest = count;
    ++occupied;
  }
  Levels levels = unchanged();
  const int64_t step = (total - brightest) / 255;
  if (occupied <= 1 || step == 0) return levels;
  int64_t below = step / 2;
  for (size_t level = 0; level < 256; ++level) {
    levels[level] = static_cast<uint8_t>(std::min<int64_t>(below / step, 255));
    below += histogram[level];
  }
  return levels;
}

/// 3 x 3 weighted mean, weight 5 in the middle and 1 around, rounded; the outermost pixels stay.
Image smoothed(const Image& image) {
  Image out = image;
  const ptrdiff_t row = static_cast<ptrdiff_t>(image.width) * 3;
  for (int y = 1; y + 1 < image.height; ++y) {
    for (ptrdiff_t j = 3; j + 3 < row; ++j) {
      const uint8_t* middle = &image.rgb[static_cast<size_t>(y * row + j)];
      int sum = middle[0] * 4;
      for (ptrdiff_t dy = -row; dy <= row; dy += row) sum += middle[dy - 3] + middle[dy] + middle[dy + 3];
      out.rgb[static_cast<size_t>(y * row + j)] = static_cast<uint8_t>((2 * sum + 13) / 26);
    }
  }
  return out;
}

}  // namespace

void adjust_brightness(Image& image, double factor) {
  map_levels(image, [f = static_cast<float>(factor)](int level) { return blend(0, level, f); });
}

void adjust_contrast(Image& image, double factor) {
  int64_t sum = 0;
  for (size_t i = 0; i < image.rgb.size(); i += 3) sum += luma(&image.rgb[i]);
  const double mean = static_cast<double>(sum) / static_cast<double>(image.rgb.size() / 3);
  const int grey = static_cast<int>(mean + 0.5);
  map_levels(image, [grey, f = static_cast<float>(factor)](int level) { return blend(grey, level, f); });
}

void adjust_saturation(Image& image, double factor) {
  for (size_t i = 0; i < image.rgb.size(); i += 3) {
    const int grey = luma(&image.rgb[i]);
    for (size_t c = 0; c < 3; ++c)
      image.rgb[i + c] = blend(grey, image.rgb[i + c], static_cast<float>(factor));
  }
}

void adjust_sharpness(Image& image, double factor) {
  const Image base = smoothed(image);
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    image.rgb[i] = blend(base.rgb[i], image.rgb[i], static_cast<float>(factor));
  }
}

void auto_contrast(Image& image) {
  map_channels(image, stretching);
}

void equalize(Image& image) {
  map_channels(image, flattening);
}

void invert(Image& image) {
  map_levels(image, [](int level) { return 255 - level; });
}

void posterize(Image& image, int bits) {
  map_levels(image, [mask = 256 - (1 << (8 - bits))](int level) { return level & mask; });
}

void solarize(Image& image, int threshold) {
  map_levels(image, [threshold](int level) { return level < threshold ? level : 255 - level; });
}

void solarize_add(Image& image, int add) {
  map_levels(image, [add](int level) { return level < 128 ? std::min(level + add, 255) : level; });
}

void flip_horizontally(Image& image) {
  for (int y = 0; y < image.height; ++y) {
    uint8_t* row = &image.rgb[static_cast<size_t>(y) * static_cast<size_t>(image.width) * 3];
    for (int x = 0, mirrored = image.width - 1; x < mirrored; ++x, --mirrored) {
      std::swap_ranges(row + x * 3, row + x * 3 + 3, row + mirrored * 3);
    }
  }
}

void affine(Image& image, const std::array<double, 6>& m, const std::array<uint8_t, 3>& fill) {
  const Image in = image;
  const auto pixel = [&](int x, int y) {
    x = std::clamp(x, 0, in.width - 1);
    y = std::clamp(y, 0, in.height - 1);
    return &in.rgb[(static_cast<size_t>(y) * in.width + x) * 3];
  };
  uint8_t* out = image.rgb.data();
  for (int row = 0; row < in.height; ++row) {
    for (int column = 0; column < in.width; ++column, out += 3) {
      const double x = m[0] * (column + 0.5) + m[1] * (row + 0.5) + m[2];
      const double y = m[3] * (column + 0.5) + m[4] * (row + 0.5) + m[5];
      if (!(x >= 0.0 && x < in.width && y >= 0.0 && y < in.height)) {
        std::copy(fill.begin(), fill.end(), out);
        continue;
      }
      const int left = static_cast<int>(std::floor(x - 0.5));
      const int top = static_cast<int>(std::floor(y - 0.5));
      const double dx = x - 0.5 - left;
      const double dy = y - 0.5 - top;
      const uint8_t* corners[] = {pixel(left, top), pixel(left + 1, top), pixel(left, top + 1),
                                  pixel(left + 1, top + 1)};
      for (size_t c = 0; c < 3; ++c) {
        const double upper = mix(corners[0][c], corners[1][c], dx);
        const double lower = mix(corners[2][c], corners[3][c], dx);
        out[c] = static_cast<uint8_t>(mix(upper, lower, dy));
      }
    }
  }
}

}  // namespace normgraft
