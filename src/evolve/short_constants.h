#pragma once

#include "normgraft/mapping/least_squares.h"

namespace normgraft {

/// f with constants of as few significant decimal digits as the error allows, one constant after another. All
/// together raise the mean squared error by at most a thousandth of it, or by `negligible` where that is
/// more. Bounds of a clip stay in order.
Expression with_short_constants(const Expression& f, const Samples& samples, double negligible,
                                FitWorkspace& workspace);

}  // namespace normgraft
