#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "closed_forms.h"

namespace normgraft {
namespace {

constexpr double kGuard = 0.1;  ///< the logarithm is straight below this share of the median of x + b

/// The curve for one median of x + b, and how near it comes.
struct LogCurve {
  double median = 0;
  double factor = 0;
  double offset = 0;
  double error = 0;
};

double value(double u, double p) {
  return std::log(std::max(u, p)) + std::min(u, p) / p;
}

/// The best factor and offset.
LogCurve curve_of(const Outline& o, double median) {
  const Samples& samples = o.samples;
  Moments all;
  for (size_t i = 0; i < samples.size(); ++i) {
    const double u = samples.x[i] - o.median + median;
    all.merge({.weight = samples.weight[i], .x = value(u, kGuard * median), .y = samples.y[i]});
  }
  const double factor = all.sxx > 0 ? all.sxy / all.sxx : 0;
  return {median, factor, all.y - factor * all.x, all.syy - factor * all.sxy};
}

/// The lowest error on a grid of equal ratios, then by golden section around it.
LogCurve best_curve(const Outline& o) {
  constexpr int kSteps = 60;
  constexpr double kLow = 1e-2, kHigh = 1e3;  // in units of the spread
  const double ratio = std::pow(kHigh / kLow, 1.0 / kSteps);
  const auto at = [&](double step) { return curve_of(o, o.spread * kLow * std::pow(ratio, step)); };
  int best_step = 0;
  LogCurve best = at(0);
  for (int step = 1; step <= kSteps; ++step) {
    const LogCurve curve = at(step);
    if (curve.error < best.error) {
      best = curve;
      best_step = step;
    }
  }
  constexpr double kGolden = std::numbers::phi - 1;
  double low = best_step - 1.0, high = best_step + 1.0;
  for (int i = 0; i < 30; ++i) {
    const double left = high - kGolden * (high - low);
    const double right = low + kGolden * (high - low);
    const LogCurve at_left = at(left), at_right = at(right);
    for (const LogCurve& curve : {at_left, at_right}) {
      if (curve.error < best.error) best = curve;
    }
    (at_left.error < at_right.error ? high : low) = at_left.error < at_right.error ? right : left;
  }
  return best;
}

}  // namespace

Expression fit_log(const Outline& o) {
  const LogCurve curve = best_curve(o);
  const auto narrow = [](double v) { return static_cast<float>(v); };
  const float b = narrow(curve.median - o.median);
  const float p = narrow(kGuard * curve.median);
  Expression f = Expression::parse("1*(log(max(x + 1, 1)) + min(x + 1, 1)*1) + 1");
  f.set_constants(std::vector{narrow(curve.factor), b, p, b, p, 1 / p, narrow(curve.offset)});
  return f;
}

}  // namespace normgraft
