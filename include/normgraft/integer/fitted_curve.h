#pragma once

#include <functional>
#include <vector>

#include "normgraft/integer/program.h"

namespace normgraft {

/// What a curve stands for: a function of a code, in steps of what it gives.
struct CurveTarget {
  std::function<double(double code)> exact;
  int64_t low = 0, high = 0;   ///< the codes it is asked for
  double least = 0, most = 0;  ///< what it gives is held within these
  int fraction = 0;            ///< bits of its knots behind the point
  int knot_bits = 16;          ///< 16 or 32
};

/// A curve, its knots, and how far it is from the function at most, in steps, over all codes from low to
/// high: half a step is what rounding alone costs.
struct FittedCurve {
  Curve curve;  ///< its knots have no name yet
  std::vector<int64_t> knots;
  int knot_bits = 16;
  double largest_error = 0;

  /// As a program computes it.
  int64_t operator()(int64_t code) const;
};

/// The curve with the fewest knots, at distances of powers of two, that errs by at most `share` of a step
/// more than rounding does; with a knot at each code where there is none. Where the function turns sharply,
/// as |x| does, there may be a knot at the turn: the first one then lies up to a distance ahead of `low`.
FittedCurve fit_curve(const CurveTarget& target, double share);

/// A knot at each code from low to high.
FittedCurve fit_table(const CurveTarget& target);

}  // namespace normgraft
