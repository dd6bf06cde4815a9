#pragma once

#include <string>
#include <vector>

#include "normgraft/expr/expression.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {

/// One fitted closed form.
struct Baseline {
  std::string name;  ///< one of baseline_names() or token_form_names()
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

/// The names of the closed forms of r alone, for sites where a channel tells it (Carried::channel). LayerNorm
/// itself is exp with a = 1 and b = -1. The quotients are its nearest relatives without an exponential:
///   exp          a*exp(b*r)
///   reciprocal   a/(r + b)
///   reciprocal2  a/square(r + b)
std::vector<std::string> token_form_names();

/// Fits every closed form to the samples by Levenberg-Marquardt from several starts (log by a search over its
/// one parameter that is not linear; knots start from dynamic programming and from the function with one knot
/// fewer), and where a channel tells r those of r behind them; each as a function of the pairs of a site
/// (at_site), and admissible there (why_not_admissible). Deterministic. Throws std::runtime_error where
/// nothing of a form is.
std::vector<Baseline> fit_baselines(const Samples& samples, Interval seen, const Carried& carried = {});

}  // namespace normgraft
