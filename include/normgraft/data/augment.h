#pragma once

#include <span>

#include "normgraft/core/random.h"
#include "normgraft/data/preprocess.h"

namespace normgraft {

/// Training augmentation. Zero switches a part off.
struct Augmentation {
  double scale_low =
      0.35;  ///< random resized crop: share of the area, in (0, 1]; 1 with scale_high 1 takes the whole
  double scale_high = 1.0;
  double ratio_low = 3.0 / 4;  ///< aspect ratio of the crop
  double ratio_high = 4.0 / 3;
  double flip = 0.5;          ///< probability of a horizontal flip
  double color_jitter = 0.3;  ///< brightness, contrast and saturation factors in [1 - j, 1 + j], in [0, 1)
  double random_erasing =
      0.0;  ///< probability of one rectangle of 2-33 % of the area, filled with normal noise
  int rand_augment =
      0;  ///< RandAugment magnitude, 0-10 (0: off), two operations a picture, timm's "increasing" set

  /// Throws InputError naming the field, its value and its range.
  void validate() const;
};

/// One random view of a picture, normalised, as [3, height, width]. Depends on the picture, the options and
/// the stream only.
void augment(const Image& image, const Augmentation& augmentation, const Preprocessing& preprocessing,
             Random& random, std::span<float> chw);

}  // namespace normgraft
