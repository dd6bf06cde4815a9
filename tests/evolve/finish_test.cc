#include "finish.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "problem.h"

namespace normgraft {
namespace {

/// f at 400 equal steps from low to high, each with an error of `noise` up or down in turn.
Samples samples_of(const std::function<double(double)>& f, double low, double high, double noise = 0) {
  constexpr int kCount = 400;
  Samples samples;
  Moments all;
  for (int i = 0; i < kCount; ++i) {
    const double x = low + (high - low) * i / (kCount - 1);
    const double y = f(x) + (i % 4 < 2 ? noise : -noise);
    samples.x.push_back(static_cast<float>(x));
    samples.y.push_back(static_cast<float>(y));
    samples.weight.push_back(1.0F / kCount);
    all.merge({1, x, y, 0, 0, 0, 1});
  }
  samples.variance = all.syy / all.weight;
  samples.total_weight = kCount;
  return samples;
}

/// The one point that a finished archive of one function has.
FrontPoint finished(const char* text, const Problem& problem) {
  const std::vector<FrontPoint> front =
      finished_front({{.expression = Expression::parse(text)}}, problem.get(),
                     {problem.samples, problem.samples, problem.samples, problem.samples}, 0);
  EXPECT_EQ(front.size(), 1U);
  return front.at(0);
}

/// The least error of a line, in closed form.
double error_of_the_best_line(const Samples& samples) {
  Moments all;
  for (size_t i = 0; i < samples.size(); ++i) all.merge({1, samples.x[i], samples.y[i], 0, 0, 0, 1});
  return (all.syy - all.sxy * all.sxy / all.sxx) / all.weight;
}

EvolveOptions without_fitting() {
  EvolveOptions options;
  options.constant_iterations = 0;
  return options;
}

TEST(FinishedFront, FitsConstantsAgainAndKeepsTheErrorToAThousandthWhenItShortensThem) {
  const Problem problem(samples_of([](double x) { return 0.7131234 * x + 0.0987654; }, -2, 2, 0.3));
  const FrontPoint point = finished("0.5*x + 0.5", problem);
  const double best = error_of_the_best_line(problem.samples);
  EXPECT_GE(point.error, best);
  EXPECT_LE(point.error, 1.00101 * best);
  for (const float c : point.expression.constants()) EXPECT_EQ(c, ConstantGrid{.digits = 2}.nearest(c)) << c;
}

TEST(FinishedFront, ShortensConstantsFurtherWhereTheErrorThatCostsIsNegligible) {
  Problem problem(samples_of([](double x) { return 0.7131234 * x + 0.0987654; }, -2, 2));
  EXPECT_LT(finished("0.5*x + 0.5", problem).error, 1e-9);
  problem.negligible = 1e-3;  // of the squares of 0.013 x and 0.001
  const FrontPoint point = finished("0.5*x + 0.5", problem);
  EXPECT_LE(point.error, 1e-3);
  for (const float c : point.expression.constants()) EXPECT_EQ(c, ConstantGrid{.digits = 1}.nearest(c)) << c;
}

TEST(FinishedFront, LeavesConstantsOfAGridWhereTheyAre) {
  EvolveOptions options = without_fitting();
  options.fraction_bits = 6;
  Problem problem(samples_of([](double x) { return 0.4 * x; }, -2, 2, 0.3), options);
  problem.negligible = 1e6;
  EXPECT_EQ(finished("0.296875*x", problem).expression, Expression::parse("0.296875*x"));
}

TEST(FinishedFront, IsBoundedWhereRIsHeldByHalfAsMuchAgainAsTheLargestReciprocalOfASpread) {
  Problem problem(samples_of([](double r) { return std::exp(-r); }, -0.5, 1), without_fitting());
  problem.carried = {.channel = true, .low = -1, .high = 2};  // 1/s is at most 2.72, and 1.5 times that 4.1
  EXPECT_EQ(finished("exp(-x)", problem).expression, Expression::parse("exp(-x)"));
  EXPECT_EQ(finished("2*exp(-x)", problem).expression, Expression::parse("clip(2*exp(-x), -5, 5)"));
}

TEST(FinishedFront, GoesBackToTheFunctionOfTheArchiveWhereTheBetterOneIsNotAdmissible) {
  // The best constant is -0.5, with which the root is not defined near 0; the archive's 0.5 is admissible.
  Problem problem(samples_of([](double x) { return std::sqrt(x * x - 0.5); }, 1, 2));
  problem.channels = 10'000;
  Expression better = Expression::parse("sqrt(square(x) + 0.5)");
  FitWorkspace workspace;
  fit(better, problem.samples, 20, problem.get().rules, workspace);
  ASSERT_NE(why_not_admissible(better, {problem.seen}), "");
  const FrontPoint point = finished("sqrt(square(x) + 0.5)", problem);
  EXPECT_EQ(point.expression, Expression::parse("sqrt(square(x) + 0.5)"));
  EXPECT_EQ(why_not_admissible(point.expression, {problem.seen}), "");
}

TEST(FinishedFront, ClipsAtTheRootOfChannelsLessOneWhereNothingWasAddedToY) {
  const Problem problem(samples_of([](double x) { return std::tanh(x); }, -2, 2), without_fitting());
  EXPECT_EQ(finished("10*x", problem).expression, Expression::parse("clip(10*x, -3, 3)"));
  EXPECT_EQ(finished("0.25*x", problem).expression, Expression::parse("0.25*x"));
}

TEST(FinishedFront, ClipsBeyondTheLargestSumWhereANumberWasAddedToY) {
  // 10 channels: LayerNorm's y is at most 3, so a y of 20 carries 17 at least, and 20 + 3 bounds what may
  // come.
  const Problem problem(samples_of([](double x) { return 10 * x; }, -2, 2), without_fitting());
  EXPECT_EQ(finished("10*x", problem).expression, Expression::parse("clip(10*x, -23, 23)"));
  EXPECT_EQ(finished("2.5*x", problem).expression, Expression::parse("2.5*x"));
}

TEST(FinishedFront, DoesNotRoundTheBoundBelowTheLargestY) {
  EvolveOptions options = without_fitting();
  options.digits = 1;
  const Problem problem(samples_of([](double x) { return 10 * x; }, -2, 2), options);
  EXPECT_EQ(finished("10*x", problem).expression, Expression::parse("clip(10*x, -30, 30)"));
  options.set_grid({.signed_digits = 1});
  const Problem powers(samples_of([](double x) { return 10 * x; }, -2, 2), options);
  EXPECT_EQ(finished("16*x", powers).expression, Expression::parse("clip(16*x, -32, 32)"));
}

}  // namespace
}  // namespace normgraft
