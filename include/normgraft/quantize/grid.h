#pragma once

#include "normgraft/network/tensors.h"

namespace normgraft {

/// The values of an integer of some bits: step times each whole number from `least` to least + 2^bits - 1. (x
/// = step (q - zero point), arXiv 1712.05877, equation 1, with the zero point taken from q.)
struct IntegerGrid {
  double step = 1;  ///< > 0
  int64_t least = 0;
  int bits = 8;
};

/// The finest grid that reaches from `low` to `high`, up to half a step; 0 is on it where it lies between.
IntegerGrid grid_between(double low, double high, int bits);

/// The finest grid around 0 whose largest whole number reaches `reach`.
IntegerGrid symmetric_grid(double reach, int bits);

/// The nearest value of the grid to each of x; beyond its ends, the end.
Tensor on_grid(const IntegerGrid& grid, const Tensor& x);

/// Whole numbers [R, C] next to `exact`, of magnitudes up to `largest`, whose rows sum to 0. Those that were
/// rounded furthest are rounded the other way. The rows of `exact` sum to 0, and both are F64.
Tensor balanced(const Tensor& exact, double largest);

/// A weight [out, ...] with each output channel on a grid of its own that is symmetric around 0.
Tensor weight_on_grids(const Tensor& weight, int bits);

/// The same for a weight [out, in] whose rows sum to 0: the rows of whole numbers sum to 0 exactly
/// (balanced), so that a number added to all inputs is not seen.
Tensor blind_weight_on_grids(const Tensor& weight, int bits);

}  // namespace normgraft
