#include "gap_axis.h"

#include <algorithm>
#include <cmath>

#include "html.h"

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
  Axis axis{low_ - 0.7, high_, "ceiling − R², held out", {{ceiling(), "0"}}, false};
  const bool few_decades = high_ - low_ < 2.2;
  for (int decade = static_cast<int>(low_); decade <= high_; ++decade) {
    for (const double digit : {1.0, 2.0, 5.0}) {
      if (digit != 1 && !few_decades) continue;
      const double value = digit * std::pow(10.0, decade);
      if (std::log10(value) <= high_) axis.ticks.push_back({std::log10(value), format_short(value)});
    }
  }
  return axis;
}

}  // namespace normgraft
