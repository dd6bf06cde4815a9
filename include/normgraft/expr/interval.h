#pragma once

#include <limits>

namespace normgraft {

/// A closed interval of the extended reals. entire() also stands for "may be NaN", which no operation undoes:
/// tanh of entire() is entire().
struct Interval {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();

  static constexpr Interval entire() { return {}; }
  static constexpr Interval point(double v) { return {v, v}; }
  constexpr bool is_entire() const {
    return low == -std::numeric_limits<double>::infinity() && high == std::numeric_limits<double>::infinity();
  }
  constexpr bool contains(double v) const { return low <= v && v <= high; }
  constexpr bool finite() const {
    return low > -std::numeric_limits<double>::infinity() && high < std::numeric_limits<double>::infinity();
  }
};

}  // namespace normgraft
