#pragma once

#include <functional>
#include <vector>

#include "normgraft/expr/expression.h"
#include "normgraft/mapping/least_squares.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {

/// Whether a function of the pairs may be used at the site.
using Allowed = std::function<bool(const Expression&)>;

/// What fits start from.
struct Outline {
  const Samples& samples;
  double median = 0;  ///< of x
  double spread = 1;  ///< of x: half the distance of its 16 % and 84 % quantiles
  double slope = 0;   ///< of the best line
};

/// a*(log(max(x + b, p)) + min(x + b, p)/p) + c: c plus a times the logarithm of x + b, and below p its
/// tangent there (c has the -1 that makes it touch). p is a tenth of the median of x + b, which is positive.
/// b is searched over medians from a hundredth to a thousand times the spread of x, a and c are the best for
/// it. Where that is not allowed, the next best that is; throws std::runtime_error where none is.
Expression fit_log(const Outline& o, const Allowed& allowed);

inline constexpr size_t kFewestKnots = 2;
inline constexpr size_t kMostKnots = 8;

/// Continuous piecewise-linear functions with kFewestKnots to kMostKnots knots k1 < k2 < ...:
/// s*x + e1*clip(x, k1, k2) + e2*clip(x, k2, k3) + ... + e*max(x, k) + c with the last knot k. Of several
/// ways to write such a function this has the fewest nodes, five a knot and six more. No function is less
/// accurate than one with fewer knots but for rounding.
std::vector<Expression> fit_lines(const Outline& o, const Allowed& allowed, FitWorkspace& workspace);

}  // namespace normgraft
