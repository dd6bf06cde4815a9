#pragma once

#include <span>

#include "svg.h"

namespace normgraft {

/// A logarithmic axis of the gap "ceiling - R^2": near the ceiling, functions that differ by little stand
/// apart. The ceiling itself is a line below the last decade. Gaps that are not above zero, or too small for
/// the axis, lie on this line.
class GapAxis {
 public:
  /// An axis that shows these gaps; those that are not finite are ignored.
  explicit GapAxis(std::span<const double> gaps);

  /// Where a gap lies on the axis.
  double at(double gap) const;
  double ceiling() const { return low_ - 0.45; }
  Axis axis() const;

 private:
  double low_ = -4;  ///< log10 of the smallest gap resolved
  double high_ = 0;
};

}  // namespace normgraft
