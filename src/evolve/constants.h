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

/// Whether an operation of f has constants alone as operands, as in `x + exp2(-224)`. Its value is a constant
/// of f too, which no grid rounds. simplify() leaves those whose value is no finite float, or one so small
/// that it lost digits.
bool computes_constants(const Expression& f);

/// Fits the constants of f that are free by Levenberg-Marquardt, then puts them on the grid, one after
/// another with the others fitted again in between. Returns the error reached; without a grid never a worse
/// one.
double fit(Expression& f, const Samples& samples, int iterations, const ConstantRules& rules,
           FitWorkspace& workspace);

}  // namespace normgraft
