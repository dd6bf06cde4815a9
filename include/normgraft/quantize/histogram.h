#pragma once

#include <vector>

#include "normgraft/quantize/grid.h"

namespace normgraft {

/// How often values between two ends were seen.
struct Histogram {
  double low = 0, high = 0;
  std::vector<double> counts;  ///< of equal parts
};

/// The grid of so many bits on which these values err least, mean squared: a narrower one is finer, and cuts
/// off what lies beyond it.
IntegerGrid best_grid(const Histogram& histogram, int bits);

/// The step of the grid of so many bits around 0 on which these values err least, likewise.
double best_step(const Histogram& histogram, int bits);

}  // namespace normgraft
