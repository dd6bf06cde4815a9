#include "gap_axis.h"

#include <algorithm>
#include <cmath>

namespace normgraft {
namespace {

constexpr double kSmallest = 1e-5;

}  // namespace

GapAxis::GapAxis(std::span<const double> gaps) {
  double smallest = 1e300, largest = 0;
  for (const double gap : gaps) {
    if (!std::isfinite(gap) || gap < kSmallest) continue;
    smallest = std::min(smallest, gap);
    largest = std::max(largest, gap);
  }
  if (largest == 0) return;
  low_ = std::floor(std::log10(smallest));
  high_ = std::max(std::log10(largest) + 0.12, low_ + 1);
}

double GapAxis::at(double gap) const {
  if (!std::isfinite(gap)) return gap;
  const double least = std::pow(10.0, low_);
  return gap < least * (1 - 1e-9) ? ceiling() : std::log10(gap);
}

Axis GapAxis::axis() const {
  Axis axis = log_axis(low_, high_, "ceiling − R², held out");
  axis.low = low_ - 0.7;
  axis.ticks.insert(axis.ticks.begin(), {ceiling(), "0"});
  return axis;
}

}  // namespace normgraft
