#pragma once

#include "normgraft/network/site.h"
#include "normgraft/network/tensors.h"

namespace normgraft {

/// Tokens like those of other pictures: x [B, D] of one token of each picture at a site that carries a
/// channel
/// -> [count, D]. Each lies between two of them, nearer to the mean or further off, by a factor of 0.2
/// to 1.8; its spread is that of one, and the error of its r that of the other. All are drawn from `seed`.
Tensor mixed_tokens(const Site& site, const Tensor& x, int64_t count, uint64_t seed);

}  // namespace normgraft
