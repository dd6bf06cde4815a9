#pragma once

#include "normgraft/integer/program.h"

namespace normgraft {

/// What a LayerNorm without gamma and beta reads and writes.
struct NormCodes {
  int64_t channels = 0;  ///< D, 2 to 32768
  int x_bits = 16;       ///< 8 or 16
  double x_step = 1;     ///< the number that the code 1 of x stands for
  double y_step = 1;
  double eps = 1e-6;  ///< added to the variance of x
};

/// The step that computes it, without its buffers and rows. variance_shift is the smallest with which the sum
/// of squares fits 64 bits; an eps beyond that is held.
NormStep norm_step(const NormCodes& codes);

}  // namespace normgraft
