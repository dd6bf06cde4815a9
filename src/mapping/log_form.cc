#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>
#include <stdexcept>

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

/// The curves on a grid of equal ratios, and those by golden section around the best of them; by rising
/// error.
std::vector<LogCurve> curves(const Outline& o) {
  constexpr int kSteps = 60;
  constexpr double kLow = 1e-2, kHigh = 1e3;  // in units of the spread
  const double ratio = std::pow(kHigh / kLow, 1.0 / kSteps);
  const auto at = [&](double step) { return curve_of(o, o.spread * kLow * std::pow(ratio, step)); };
  std::vector<LogCurve> all;
  int best_step = 0;
  for (int step = 0; step <= kSteps; ++step) {
    all.push_back(at(step));
    if (all.back().error < all[static_cast<size_t>(best_step)].error) best_step = step;
  }
  constexpr double kGolden = std::numbers::phi - 1;
  double low = best_step - 1.0, high = best_step + 1.0;
  for (int i = 0; i < 30; ++i) {
    const double left = high - kGolden * (high - low);
    const double right = low + kGolden * (high - low);
    const LogCurve at_left = at(left), at_right = at(right);
    all.push_back(at_left);
    all.push_back(at_right);
    (at_left.error < at_right.error ? high : low) = at_left.error < at_right.error ? right : left;
  }
  std::erase_if(all, [](const LogCurve& curve) { return !std::isfinite(curve.error); });
  std::stable_sort(all.begin(), all.end(),
                   [](const LogCurve& a, const LogCurve& b) { return a.error < b.error; });
  return all;
}

/// Nothing where a constant is no finite float.
std::optional<Expression> expression_of(const LogCurve& curve, const Outline& o) {
  const auto narrow = [](double v) { return static_cast<float>(v); };
  const float b = narrow(curve.median - o.median);
  const float p = narrow(kGuard * curve.median);
  const std::vector constants{narrow(curve.factor), b, p, b, p, 1 / p, narrow(curve.offset)};
  if (!std::all_of(constants.begin(), constants.end(), [](float c) { return std::isfinite(c); })) return {};
  Expression f = Expression::parse("1*(log(max(x + 1, 1)) + min(x + 1, 1)*1) + 1");
  f.set_constants(constants);
  return f;
}

}  // namespace

Expression fit_log(const Outline& o, const Allowed& allowed) {
  for (const LogCurve& curve : curves(o)) {
    if (const auto f = expression_of(curve, o); f && allowed(*f)) return *f;
  }
  throw std::runtime_error("no admissible fit of log");
}

}  // namespace normgraft
