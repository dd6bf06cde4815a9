#pragma once

#include <string>
#include <vector>

#include "normgraft/expr/expression.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {

/// One fitted closed form.
struct Baseline {
  std::string name;  ///< "line", "clip5", "clip", "tanh", "scaled-tanh", "erf", "isru", "softsign"
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
std::vector<std::string> baseline_names();

/// Fits every closed form to the samples by Levenberg-Marquardt from several starts; each is admissible
/// (why_not_admissible) on `seen`.
std::vector<Baseline> fit_baselines(const Samples& samples, Interval seen);

}  // namespace normgraft
