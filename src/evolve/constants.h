#pragma once

#include "normgraft/evolve/evolve.h"
#include "normgraft/mapping/least_squares.h"

namespace normgraft {

/// What the constants of candidates may be.
struct ConstantRules {
  bool free_clip_bounds = true;
  int digits = 0;          ///< significant decimal digits; 0: any
  int fraction_bits = -1;  ///< multiples of 2^-fraction_bits; -1: any

  ConstantRules(const EvolveOptions& options, const FunctionSet& functions);
  /// Whether constants have to lie on a grid.
  bool on_grid() const { return digits > 0 || fraction_bits >= 0; }
};

/// `value` with so many significant decimal digits, at least 1.
float with_digits(float value, int digits);

/// The nearest value that a constant may have.
float nearest_on_grid(float value, const ConstantRules& rules);

/// Fits the constants of f that are free by Levenberg-Marquardt, then puts them on the grid, one after
/// another with the others fitted again in between. Returns the error reached; without a grid never a worse
/// one.
double fit(Expression& f, const Samples& samples, int iterations, const ConstantRules& rules,
           FitWorkspace& workspace);

}  // namespace normgraft
