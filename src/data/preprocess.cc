#include "normgraft/data/preprocess.h"

#include <fmt/format.h>

#include <cmath>

#include "normgraft/core/require.h"
#include "resize_window.h"

namespace normgraft {
namespace {

struct Size {
  int width, height;
};

/// Python's round: halves to the even neighbour.
int round_half_even(double x) {
  return static_cast<int>(std::nearbyint(x));
}

/// The shorter side becomes `shorter`, the longer one follows, rounded down.
Size with_shorter_side(const Image& image, int shorter) {
  const auto longer = [&](int64_t long_side, int64_t short_side) {
    return static_cast<int>(shorter * long_side / short_side);
  };
  if (image.width <= image.height) return {shorter, longer(image.height, image.width)};
  return {longer(image.width, image.height), shorter};
}

/// Both sides are scaled alike, so far that they just cover the target.
Size covering(const Image& image, const Size& target) {
  const double ratio = std::min(static_cast<double>(image.width) / target.width,
                                static_cast<double>(image.height) / target.height);
  return {round_half_even(image.width / ratio), round_half_even(image.height / ratio)};
}

/// The size before the crop.
Size resized_size(const Image& image, const Preprocessing& preprocessing) {
  const auto enlarged = [&](int side) { return static_cast<int>(std::floor(side / preprocessing.crop_pct)); };
  const Size target{enlarged(preprocessing.width), enlarged(preprocessing.height)};
  if (preprocessing.crop_mode == "squash") return target;
  return target.width == target.height ? with_shorter_side(image, target.width) : covering(image, target);
}

}  // namespace

void Preprocessing::validate() const {
  constexpr int kMaxSide = 16384;
  require_within("preprocessing", "height", height, 1, kMaxSide);
  require_within("preprocessing", "width", width, 1, kMaxSide);
  require_within("preprocessing", "crop_pct", crop_pct, 0.01, 1.0);
  require(crop_mode == "center" || crop_mode == "squash", "preprocessing", "crop_mode", crop_mode,
          "center or squash");
  for (size_t c = 0; c < 3; ++c) {
    require(std::isfinite(mean[c]), "preprocessing", "mean", mean[c], "a finite number");
    require(std::isfinite(std[c]) && std[c] > 0.0F, "preprocessing", "std", std[c], "a positive number");
  }
}

Image resize_and_crop(const Image& image, const Preprocessing& preprocessing) {
  const Size size = resized_size(image, preprocessing);
  const Window window{round_half_even((size.width - preprocessing.width) / 2.0),
                      round_half_even((size.height - preprocessing.height) / 2.0), preprocessing.width,
                      preprocessing.height};
  const Box all{0.0, 0.0, static_cast<double>(image.width), static_cast<double>(image.height)};
  return resize_window(image, size.width, size.height, preprocessing.interpolation, all, window);
}

void normalize(const Image& image, const Preprocessing& preprocessing, std::span<float> chw) {
  const size_t pixels = static_cast<size_t>(image.width) * static_cast<size_t>(image.height);
  for (size_t c = 0; c < 3; ++c) {
    std::array<float, 256> value;
    for (size_t level = 0; level < 256; ++level) {
      value[level] = (static_cast<float>(level) / 255.0F - preprocessing.mean[c]) / preprocessing.std[c];
    }
    float* plane = chw.data() + c * pixels;
    for (size_t i = 0; i < pixels; ++i) plane[i] = value[image.rgb[i * 3 + c]];
  }
}

void preprocess(const Image& image, const Preprocessing& preprocessing, std::span<float> chw) {
  normalize(resize_and_crop(image, preprocessing), preprocessing, chw);
}

}  // namespace normgraft
