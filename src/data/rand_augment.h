#pragma once

#include <array>
#include <cstdint>

#include "normgraft/core/random.h"
#include "normgraft/data/image.h"

namespace normgraft {

/// Two operations drawn from the fifteen of timm's "increasing" set, each applied with probability 1/2 at a
/// strength near `magnitude` of 10 (normal, deviation 0.5). `fill` shows where a picture was moved away.
void rand_augment(Image& image, int magnitude, const std::array<uint8_t, 3>& fill, Random& random);

}  // namespace normgraft
