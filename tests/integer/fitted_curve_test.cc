#include "normgraft/integer/fitted_curve.h"

#include <gtest/gtest.h>

#include <cmath>

#include "normgraft/integer/arithmetic.h"

namespace normgraft {
namespace {

double gelu(double x) {
  return x * std::erfc(-x / std::sqrt(2.0)) / 2;
}

/// GELU from 16 bits of -8 to 8 to 8 bits of -0.2 to 4.9.
CurveTarget gelu_target() {
  CurveTarget target;
  target.exact = [](double code) { return gelu(code / 4096) / 0.02 - 118; };
  target.low = -32768;
  target.high = 32767;
  target.least = -128;
  target.most = 127;
  target.fraction = 8;
  return target;
}

double largest_error(const FittedCurve& fit, const CurveTarget& target) {
  double largest = 0;
  for (int64_t code = target.low; code <= target.high; ++code) {
    const double exact = std::clamp(target.exact(static_cast<double>(code)), target.least, target.most);
    const double value = std::clamp(static_cast<double>(fit(code)), target.least, target.most);
    largest = std::max(largest, std::abs(value - exact));
  }
  return largest;
}

TEST(FitCurve, StaysWithinItsShareOfAStepAtEveryCode) {
  const CurveTarget target = gelu_target();
  for (const double share : {0.3, 0.1, 0.03}) {
    const FittedCurve fit = fit_curve(target, share);
    EXPECT_LE(largest_error(fit, target), 0.5 + share) << share;
    EXPECT_DOUBLE_EQ(fit.largest_error, largest_error(fit, target)) << share;
  }
}

TEST(FitCurve, HasNoMoreKnotsThanItsShareNeeds) {
  const FittedCurve coarse = fit_curve(gelu_target(), 0.3), fine = fit_curve(gelu_target(), 0.03);
  EXPECT_LT(coarse.knots.size(), fine.knots.size());
  EXPECT_LT(fine.knots.size(), 2000U);
  CurveTarget line;
  line.exact = [](double code) { return code / 1024; };
  line.high = 32768;
  line.most = 127;
  line.fraction = 8;
  EXPECT_EQ(fit_curve(line, 0.01).knots.size(), 2U);
}

TEST(FitCurve, OfAFunctionThatJumpsHasAKnotAtEachCode) {
  CurveTarget target;
  target.exact = [](double code) { return code < 100 ? -50.25 : 60.25; };
  target.high = 255;
  target.least = -128;
  target.most = 127;
  const FittedCurve fit = fit_curve(target, 0.1);
  EXPECT_EQ(fit.curve.shift, 0);
  EXPECT_EQ(fit(99), -50);
  EXPECT_EQ(fit(100), 60);
}

TEST(FitCurve, IsWhatAProgramComputes) {
  const FittedCurve fit = fit_curve(gelu_target(), 0.1);
  IntegerTensor knots;
  knots.shape = {static_cast<int64_t>(fit.knots.size())};
  knots.bits = 16;
  for (const int64_t knot : fit.knots) knots.values16.push_back(static_cast<int16_t>(knot));
  for (int64_t code = -33000; code <= 33000; code += 7)
    EXPECT_EQ(value_at(fit.curve, knots, code), fit(code));
}

TEST(FitCurve, HasAKnotWhereTheFunctionTurnsSharply) {
  for (const double turn : {-777.0, -4.0, 1234.0}) {
    CurveTarget target;
    target.exact = [turn](double code) { return 9000 + 1.5 * std::abs(code - turn); };
    target.low = -5001;
    target.high = 4444;
    target.least = -32768;
    target.most = 32767;
    const FittedCurve fit = fit_curve(target, 0.5);
    EXPECT_LE(fit.knots.size(), 24U) << turn;
    for (int64_t code = target.low; code <= target.high; ++code)
      ASSERT_LE(std::abs(static_cast<double>(fit(code)) - target.exact(static_cast<double>(code))), 1)
          << code;
  }
}

}  // namespace
}  // namespace normgraft
