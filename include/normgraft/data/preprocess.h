#pragma once

#include <array>
#include <span>
#include <string>

#include "normgraft/data/image.h"

namespace normgraft {

/// What a checkpoint expects of its pictures; the names are timm's.
struct Preprocessing {
  int height = 224;
  int width = 224;
  double crop_pct = 0.875;           ///< in (0, 1]: the shorter side becomes floor(input size / crop_pct)
  std::string crop_mode = "center";  ///< "center" or "squash" (both sides resized, aspect not kept)
  Interpolation interpolation = Interpolation::kBicubic;
  std::array<float, 3> mean = {0.485F, 0.456F, 0.406F};  ///< of RGB in [0, 1]
  std::array<float, 3> std = {0.229F, 0.224F, 0.225F};

  /// Throws InputError naming the field, its value and what was expected.
  void validate() const;
};

/// Resize, centre crop, scale to [0, 1], normalise, as timm's evaluation transform with torchvision on Pillow
/// does. `chw` receives [3, height, width]. The preprocessing must be valid.
void preprocess(const Image& image, const Preprocessing& preprocessing, std::span<float> chw);

/// Resize and centre crop alone: an image of preprocessing.width x height.
Image resize_and_crop(const Image& image, const Preprocessing& preprocessing);

/// An image of the input size to normalised [3, height, width].
void normalize(const Image& image, const Preprocessing& preprocessing, std::span<float> chw);

}  // namespace normgraft
