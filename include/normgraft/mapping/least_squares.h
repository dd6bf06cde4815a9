#pragma once

#include <cstdint>
#include <vector>

#include "normgraft/core/aligned.h"
#include "normgraft/expr/block.h"
#include "normgraft/expr/expression.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {

/// Working memory of the fit; one a thread.
struct FitWorkspace {
  BlockEvaluator evaluator;
  AlignedFloats y, dc, weighted;
  int64_t evaluations = 0;  ///< of an expression over all samples, with or without its derivatives, so far
};

/// Improves the constants of `f` by Levenberg-Marquardt steps (Marquardt 1963) on the weighted samples,
/// with the derivatives of the postfix program; clip bounds are constants like others and stay ordered.
/// Never returns a worse expression. Returns the mean squared error reached (with samples.residual), which
/// may be infinite or NaN when f is not finite on the samples. Constants k with fixed[k] stay; none do when
/// `fixed` is empty. Deterministic.
double fit_constants(Expression& f, const Samples& samples, int iterations, FitWorkspace& workspace,
                     const std::vector<bool>& fixed = {});

/// Mean squared error of f (with samples.residual) by SIMD evaluation; NaN or infinity where f is not finite.
double block_error(const Expression& f, const Samples& samples, FitWorkspace& workspace);

/// Replaces f by a*f + b with the best a, b in closed form where that lowers the error
/// (linear scaling, Keijzer 2003); returns the error reached. A factor and an offset that f has already are
/// adjusted in place; otherwise it grows by at most 4 nodes.
double scale_linearly(Expression& f, const Samples& samples, FitWorkspace& workspace);

}  // namespace normgraft
