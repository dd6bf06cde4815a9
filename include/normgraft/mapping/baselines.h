#pragma once

#include <string>
#include <vector>

#include "normgraft/expr/expression.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {

/// One fitted closed form.
struct Baseline {
  std::string name;  ///< one of baseline_names()
  Expression expression;
};

/// The names of the closed forms, in the order of fit_baselines:
///   line         a*x + b
///   clip5        clip(a*x + b, -5, 5), the published bounds
///   clip         clip(a*x + b, lo, hi), bounds fitted
///   tanh         tanh(a*x) (DyT without its output scale, the published 70 % baseline)
///   scaled-tanh  c*tanh(a*x + s) + b
///   erf          c*erf(a*x + s) + b (Derf)
///   isru         c*(x + s)*rsqrt((x + s)^2 + a) + b (DyISRU)
///   softsign     (x + s)/(a + d*|x + s|) + b
///   log          a*log(x + b) + c, below p its tangent there: a*(log(max(x + b, p)) + min(x + b, p)/p) + c;
///                p is a tenth of the median of x + b. What a stream asks for whose tokens carry their scale
///   lines2 ... lines8   continuous and piecewise linear, with two to eight knots:
///                s*x + e*clip(x, k, k') + ... + e'*max(x, k'') + c. None is less accurate than one with
///                fewer
std::vector<std::string> baseline_names();

/// Fits every closed form to the samples by Levenberg-Marquardt from several starts (log by a search over its
/// one parameter that is not linear; knots start from dynamic programming and from the function with one knot
/// fewer); each is admissible (why_not_admissible) on `seen`. Deterministic.
std::vector<Baseline> fit_baselines(const Samples& samples, Interval seen);

}  // namespace normgraft
