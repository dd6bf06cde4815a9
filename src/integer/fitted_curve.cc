#include "normgraft/integer/fitted_curve.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "normgraft/integer/arithmetic.h"

namespace normgraft {
namespace {

constexpr int kLargestShift = 16;

/// The function at each code from low to high, held.
std::vector<double> values_of(const CurveTarget& target) {
  std::vector<double> values;
  values.reserve(static_cast<size_t>(target.high - target.low + 1));
  for (int64_t code = target.low; code <= target.high; ++code) {
    values.push_back(std::clamp(target.exact(static_cast<double>(code)), target.least, target.most));
  }
  return values;
}

/// Knots at every 2^shift codes; the last one, which may lie beyond `high`, on the line through the one
/// before it and the last value. The error is the first above `most_error`, where there is one.
FittedCurve with_shift(const CurveTarget& target, const std::vector<double>& values, int shift,
                       double most_error) {
  FittedCurve fit;
  fit.curve.low = static_cast<int32_t>(target.low);
  fit.curve.shift = shift;
  fit.curve.fraction = target.fraction;
  fit.knot_bits = target.knot_bits;
  const int64_t spacing = int64_t{1} << shift, last = target.high - target.low;
  const int64_t intervals = std::max<int64_t>(1, (last + spacing - 1) / spacing);
  const double ends = std::ldexp(1, target.knot_bits - 1);
  for (int64_t i = 0; i <= intervals; ++i) {
    const int64_t at = i * spacing;
    double value = values[static_cast<size_t>(std::min(at, last))];
    if (at > last && last > at - spacing) {
      const double before = values[static_cast<size_t>(at - spacing)];
      value = before +
              (value - before) * static_cast<double>(spacing) / static_cast<double>(last - (at - spacing));
    }
    fit.knots.push_back(std::llround(std::clamp(std::ldexp(value, target.fraction), -ends, ends - 1)));
  }
  for (int64_t d = 0; d <= last && fit.largest_error <= most_error; ++d) {
    const double held = std::clamp(static_cast<double>(fit(target.low + d)), target.least, target.most);
    fit.largest_error = std::max(fit.largest_error, std::abs(held - values[static_cast<size_t>(d)]));
  }
  return fit;
}

}  // namespace

int64_t FittedCurve::operator()(int64_t code) const {
  const auto intervals = static_cast<int64_t>(knots.size()) - 1;
  const int64_t low = curve.low;
  const int64_t d = std::clamp(code, low, low + (intervals << curve.shift)) - low;
  const int64_t i = std::min(d >> curve.shift, intervals - 1), f = d - (i << curve.shift);
  const int64_t from = knots[static_cast<size_t>(i)], to = knots[static_cast<size_t>(i) + 1];
  return round_shift((from << curve.shift) + (to - from) * f, curve.shift + curve.fraction);
}

FittedCurve fit_curve(const CurveTarget& target, double share) {
  const std::vector<double> values = values_of(target);
  for (int shift = kLargestShift; shift > 0; --shift) {
    FittedCurve fit = with_shift(target, values, shift, 0.5 + share);
    if (fit.largest_error <= 0.5 + share) return fit;
  }
  return with_shift(target, values, 0, std::numeric_limits<double>::infinity());
}

FittedCurve fit_table(const CurveTarget& target) {
  return with_shift(target, values_of(target), 0, std::numeric_limits<double>::infinity());
}

}  // namespace normgraft
