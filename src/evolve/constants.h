#pragma once

#include "normgraft/evolve/evolve.h"
#include "normgraft/expr/grid.h"
#include "normgraft/mapping/least_squares.h"

namespace normgraft {

/// What the constants of candidates may be.
struct ConstantRules {
  bool free_clip_bounds = true;
  ConstantGrid grid = {};
};

/// Fits the constants of f that are free by Levenberg-Marquardt, then puts them on the grid, one after
/// another with the others fitted again in between. Returns the error reached; without a grid never a worse
/// one.
double fit(Expression& f, const Samples& samples, int iterations, const ConstantRules& rules,
           FitWorkspace& workspace);

}  // namespace normgraft
