#include "normgraft/data/augment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "normgraft/core/require.h"
#include "normgraft/data/filters.h"
#include "rand_augment.h"

namespace normgraft {
namespace {

constexpr int kTries = 10;
constexpr double kErasedLow = 0.02, kErasedHigh = 1.0 / 3.0;
constexpr double kErasedRatioLow = 0.3, kErasedRatioHigh = 1.0 / kErasedRatioLow;

struct Rectangle {
  int left, top, width, height;
};

/// Uniform in the logarithm.
double log_uniform(double low, double high, Random& random) {
  return std::exp(random.uniform(std::log(low), std::log(high)));
}

/// Width and height of about `area` pixels with `ratio` = width / height.
std::pair<int, int> sides(double area, double ratio) {
  return {static_cast<int>(std::nearbyint(std::sqrt(area * ratio))),
          static_cast<int>(std::nearbyint(std::sqrt(area / ratio)))};
}

int place(int free, Random& random) {
  return static_cast<int>(random.below(static_cast<uint64_t>(free) + 1));
}

/// The largest crop in the middle with an allowed ratio.
Rectangle central_crop(int width, int height, const Augmentation& augmentation) {
  const double ratio = static_cast<double>(width) / height;
  int crop_width = width, crop_height = height;
  if (ratio < augmentation.ratio_low) {
    crop_height = std::clamp(static_cast<int>(std::nearbyint(width / augmentation.ratio_low)), 1, height);
  } else if (ratio > augmentation.ratio_high) {
    crop_width = std::clamp(static_cast<int>(std::nearbyint(height * augmentation.ratio_high)), 1, width);
  }
  return {(width - crop_width) / 2, (height - crop_height) / 2, crop_width, crop_height};
}

Rectangle random_crop(int width, int height, const Augmentation& augmentation, Random& random) {
  if (augmentation.scale_low >= 1.0) return {0, 0, width, height};
  const double area = static_cast<double>(width) * height;
  for (int i = 0; i < kTries; ++i) {
    const double target = area * random.uniform(augmentation.scale_low, augmentation.scale_high);
    const auto [w, h] = sides(target, log_uniform(augmentation.ratio_low, augmentation.ratio_high, random));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const int left = place(width - w, random);
    const int top = place(height - h, random);
    return {left, top, w, h};
  }
  return central_crop(width, height, augmentation);
}

void jitter_colors(Image& image, double jitter, Random& random) {
  std::array<void (*)(Image&, double), 3> adjustments = {adjust_brightness, adjust_contrast,
                                                         adjust_saturation};
  for (size_t left = adjustments.size(); left > 0; --left) {
    std::swap(adjustments[left - 1], adjustments[random.below(left)]);
    adjustments[left - 1](image, random.uniform(1.0 - jitter, 1.0 + jitter));
  }
}

void erase(std::span<float> chw, int width, int height, Random& random) {
  const double area = static_cast<double>(width) * height;
  for (int i = 0; i < kTries; ++i) {
    const double target = area * random.uniform(kErasedLow, kErasedHigh);
    const auto [w, h] = sides(target, log_uniform(kErasedRatioLow, kErasedRatioHigh, random));
    if (w < 1 || h < 1 || w >= width || h >= height) continue;
    const int left = place(width - w, random);
    const int top = place(height - h, random);
    for (int c = 0; c < 3; ++c) {
      for (int y = top; y < top + h; ++y) {
        float* row = &chw[(static_cast<size_t>(c) * height + y) * width + left];
        std::generate_n(row, w, [&] { return static_cast<float>(random.normal()); });
      }
    }
    return;
  }
}

std::array<uint8_t, 3> mean_color(const Preprocessing& preprocessing) {
  std::array<uint8_t, 3> color;
  for (size_t c = 0; c < 3; ++c) {
    color[c] = static_cast<uint8_t>(std::clamp(std::nearbyint(preprocessing.mean[c] * 255.0F), 0.0F, 255.0F));
  }
  return color;
}

}  // namespace

void Augmentation::validate() const {
  const auto check = [](bool holds, const char* field, double value, const char* range) {
    require(holds, "augmentation", field, value, range);
  };
  check(scale_low > 0.0 && scale_low <= 1.0, "scale_low", scale_low, "above 0, up to 1");
  check(scale_high >= scale_low && scale_high <= 1.0, "scale_high", scale_high, "scale_low to 1");
  check(ratio_low > 0.0 && std::isfinite(ratio_low), "ratio_low", ratio_low, "a positive number");
  check(ratio_high >= ratio_low && std::isfinite(ratio_high), "ratio_high", ratio_high, "at least ratio_low");
  require_within("augmentation", "flip", flip, 0.0, 1.0);
  check(color_jitter >= 0.0 && color_jitter < 1.0, "color_jitter", color_jitter, "0 to below 1");
  require_within("augmentation", "random_erasing", random_erasing, 0.0, 1.0);
  require_within("augmentation", "rand_augment", rand_augment, 0, 10);
}

void augment(const Image& image, const Augmentation& augmentation, const Preprocessing& preprocessing,
             Random& random, std::span<float> chw) {
  const Rectangle crop = random_crop(image.width, image.height, augmentation, random);
  const Box box{static_cast<double>(crop.left), static_cast<double>(crop.top),
                static_cast<double>(crop.left + crop.width), static_cast<double>(crop.top + crop.height)};
  Image view = resize(image, preprocessing.width, preprocessing.height, preprocessing.interpolation, box);
  if (random.uniform() < augmentation.flip) flip_horizontally(view);
  if (augmentation.rand_augment > 0) {
    rand_augment(view, augmentation.rand_augment, mean_color(preprocessing), random);
  }
  if (augmentation.color_jitter > 0.0) jitter_colors(view, augmentation.color_jitter, random);
  normalize(view, preprocessing, chw);
  if (random.uniform() < augmentation.random_erasing)
    erase(chw, preprocessing.width, preprocessing.height, random);
}

}  // namespace normgraft
