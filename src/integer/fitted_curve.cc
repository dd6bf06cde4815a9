#include "normgraft/integer/fitted_curve.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "normgraft/integer/arithmetic.h"

namespace normgraft {
namespace {

constexpr int kLargestShift = 16;
constexpr double kSharp = 8;  ///< a turn, over those beside it

/// The function at each code from low to high, held.
std::vector<double> values_of(const CurveTarget& target) {
  std::vector<double> values;
  values.reserve(static_cast<size_t>(target.high - target.low + 1));
  for (int64_t code = target.low; code <= target.high; ++code) {
    values.push_back(std::clamp(target.exact(static_cast<double>(code)), target.least, target.most));
  }
  return values;
}

/// Where a function turns sharply: the place of its largest second difference, if those beside it are far
/// smaller.
std::optional<int64_t> sharp_turn(const std::vector<double>& values) {
  const auto turn = [&](size_t i) { return std::abs(values[i - 1] - 2 * values[i] + values[i + 1]); };
  size_t sharpest = 1;
  for (size_t i = 2; i + 1 < values.size(); ++i)
    if (turn(i) > turn(sharpest)) sharpest = i;
  if (sharpest < 4 || sharpest + 4 >= values.size()) return std::nullopt;
  const double beside = std::max(turn(sharpest - 2), turn(sharpest + 2));
  if (turn(sharpest) <= kSharp * beside) return std::nullopt;
  return static_cast<int64_t>(sharpest);
}

/// Knots at every 2^shift codes, the first `ahead` codes before `low`. A first one ahead, and a last one
/// beyond `high`, lie on the line through the knot beside it and the value at that end. The error is the
/// first above `most_error`, where there is one.
FittedCurve with_shift(const CurveTarget& target, const std::vector<double>& values, int shift, int64_t ahead,
                       double most_error) {
  FittedCurve fit;
  fit.curve.low = static_cast<int32_t>(target.low - ahead);
  fit.curve.shift = shift;
  fit.curve.fraction = target.fraction;
  fit.knot_bits = target.knot_bits;
  const int64_t spacing = int64_t{1} << shift, last = target.high - target.low;
  const int64_t intervals = std::max<int64_t>(1, (last + ahead + spacing - 1) / spacing);
  const double ends = std::ldexp(1, target.knot_bits - 1);
  for (int64_t i = 0; i <= intervals; ++i) {
    const int64_t at = i * spacing - ahead, end = std::clamp<int64_t>(at, 0, last);
    double value = values[static_cast<size_t>(end)];
    const int64_t beside = at < 0 ? at + spacing : at - spacing;
    if (at != end && beside >= 0 && beside <= last && beside != end) {
      const double from = values[static_cast<size_t>(beside)];
      value = from + (value - from) * static_cast<double>(at - beside) / static_cast<double>(end - beside);
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
  const std::optional<int64_t> turn = sharp_turn(values);
  for (int shift = kLargestShift; shift > 0; --shift) {
    const int64_t spacing = int64_t{1} << shift;
    std::vector<int64_t> aheads = {0};
    if (turn) aheads.push_back((spacing - *turn % spacing) % spacing);
    for (const int64_t ahead : aheads) {
      FittedCurve fit = with_shift(target, values, shift, ahead, 0.5 + share);
      if (fit.largest_error <= 0.5 + share) return fit;
    }
  }
  return fit_table(target);
}

FittedCurve fit_table(const CurveTarget& target) {
  return with_shift(target, values_of(target), 0, 0, std::numeric_limits<double>::infinity());
}

}  // namespace normgraft
