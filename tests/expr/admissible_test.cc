#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "expr/random_program.h"

namespace normgraft {
namespace {

TEST(Tail, IsKnownForTheUsualShapes) {
  struct Case {
    const char* text;
    Tail expected;
  };
  const Case cases[] = {
      {"2", Tail::kBounded},
      {"x", Tail::kLinear},
      {"2*x+1", Tail::kLinear},
      {"-x", Tail::kLinear},
      {"abs(x)", Tail::kLinear},
      {"x*x", Tail::kUnbounded},
      {"square(x)", Tail::kUnbounded},
      {"0.5*tanh(1.2*x-0.3)+0.1", Tail::kBounded},
      {"x/(1+2*abs(x))", Tail::kBounded},
      {"x/(-1-2*abs(x))", Tail::kBounded},
      {"x*rsqrt(x*x+0.5)", Tail::kBounded},
      {"x*rsqrt(square(x)-0.5)", Tail::kBounded},
      {"x/sqrt(1+square(x))", Tail::kBounded},
      {"sqrt(square(x)+1)", Tail::kLinear},
      {"sqrt(square(x)-x)", Tail::kLinear},
      {"sqrt(x)", Tail::kUnbounded},
      {"sqrt(abs(x))", Tail::kLinear},
      {"clip(2*x+0.2, -5, 5)", Tail::kBounded},
      {"square(clip(x, -5, 5))", Tail::kBounded},
      {"clip(square(x), 0, 3)*x", Tail::kLinear},
      {"clip(sqrt(x), 0, 3)", Tail::kUnbounded},
      {"min(x, 2)", Tail::kLinear},
      {"min(max(x, -1), 2)", Tail::kBounded},
      {"max(0, min(x, 6))", Tail::kBounded},
      {"min(square(x), abs(x))", Tail::kLinear},
      {"max(square(x), x)", Tail::kUnbounded},
      {"min(square(x), x)", Tail::kLinear},
      {"x*sigmoid(1.7*x)", Tail::kLinear},
      {"x*x*sigmoid(-x)", Tail::kUnbounded},
      {"x/(1+exp(-x))", Tail::kLinear},
      {"exp(x)", Tail::kUnbounded},
      {"exp(-abs(x))", Tail::kBounded},
      {"exp(-square(x))", Tail::kBounded},
      {"square(x)*exp(-square(x))", Tail::kBounded},
      {"exp(tanh(x))", Tail::kBounded},
      {"exp(x)*exp(-x)", Tail::kUnbounded},
      {"exp(x)/(1+exp(x))", Tail::kUnbounded},
      {"exp(x)-exp(x)", Tail::kUnbounded},
      {"tanh(exp(x))", Tail::kBounded},
      {"tanh(exp(x)-exp(x))", Tail::kUnbounded},
      {"clip(exp(x), 0, 1)", Tail::kBounded},
      {"erf(x)*x", Tail::kLinear},
      {"log(x)", Tail::kUnbounded},
      {"log(abs(x))", Tail::kLinear},
      {"log(1+square(x))", Tail::kLinear},
      {"log(max(x+2, 0.1))", Tail::kLinear},
      {"log(2+tanh(x))", Tail::kBounded},
      {"log(1+tanh(x))", Tail::kUnbounded},
      {"x*log(1+abs(x))", Tail::kUnbounded},
      {"x/log(2+abs(x))", Tail::kLinear},
      {"log(1+exp(x))", Tail::kUnbounded},
      {"exp2(x)", Tail::kUnbounded},
      {"exp2(-abs(x))", Tail::kBounded},
      {"x*exp2(-square(x))", Tail::kBounded},
      {"log2(x)", Tail::kUnbounded},
      {"log2(abs(x))", Tail::kLinear},
      {"log2(2+tanh(x))", Tail::kBounded},
      {"log2(1+tanh(x))", Tail::kUnbounded},
      {"0.5*(log(max(x+3, 0.2))+min(x+3, 0.2)*5)+1", Tail::kLinear},
      {"1/x", Tail::kBounded},
      {"1/tanh(x)", Tail::kBounded},
      {"1/(2+tanh(x))", Tail::kBounded},
      {"1/(tanh(x)-1)", Tail::kUnbounded},
      {"x/tanh(x)", Tail::kLinear},
      {"x/sigmoid(x)", Tail::kUnbounded},
      {"square(x)/x", Tail::kLinear},
      {"square(x)/(1+abs(x))", Tail::kLinear},
      {"x*x-x*x", Tail::kUnbounded},
      {"x-x", Tail::kLinear},
      {"1/(x-x)", Tail::kUnbounded},
      {"rsqrt(x)", Tail::kUnbounded},
      {"rsqrt(abs(x))", Tail::kBounded},
      {"rsqrt(1-square(tanh(x)))", Tail::kUnbounded},
      {"1/0", Tail::kUnbounded},
      {"tanh(0/0)", Tail::kUnbounded},
  };
  for (const Case& c : cases) EXPECT_EQ(tail(Expression::parse(c.text)), c.expected) << c.text;
}

/// The largest |f| at the distance, of either sign; infinite where f is NaN.
double size_at(const Expression& f, double distance) {
  double largest = 0;
  for (const double x : {-distance, distance}) {
    const double y = std::fabs(f(x));
    largest = std::max(largest, std::isnan(y) ? std::numeric_limits<double>::infinity() : y);
  }
  return largest;
}

TEST(Tail, NeverClaimsLessGrowthThanTheNumbersShow) {
  Random random({7});
  int proved = 0;
  int refuted = 0;
  for (int i = 0; i < 30'000; ++i) {
    const Expression f = random_expression(random, 1 + static_cast<int>(random.below(6)));
    const Tail claim = tail(f);
    if (claim == Tail::kUnbounded) {
      refuted += size_at(f, 1e6) > 1e3 * (1 + size_at(f, 1e4));
      continue;
    }
    ++proved;
    const double factor = claim == Tail::kBounded ? 4 : 400;
    const double offset = claim == Tail::kBounded ? 100 : 1e4;
    for (const double near : {1e3, 3e3, 1e4}) {
      // A hundred times as far out: a square grows 10^4-fold, a root 10-fold.
      ASSERT_LE(size_at(f, 100 * near), factor * (offset + size_at(f, near)))
          << f.to_string() << " from " << near;
    }
  }
  EXPECT_GE(proved, 10'000);
  EXPECT_GE(refuted, 500);
}

TEST(Admissible, AreFunctionsThatStayFiniteAndGrowAtMostLinearly) {
  const Interval seen{-10, 12};
  for (const char* text :
       {"x", "0.48*clip(2*x+0.17, -5, 5)", "0.5*tanh(x)+0.1", "x*rsqrt(x*x+0.5)", "x/(1+abs(x))",
        "sqrt(x*x-x+1)", "x/(x*x-x+1)", "exp(-square(x))", "x*sigmoid(x)"}) {
    EXPECT_EQ(why_not_admissible(Expression::parse(text), {seen}), "") << text;
  }
}

TEST(Admissible, IsNotWhatMayOverflowOrLeaveItsDomain) {
  const auto why = [](const char* text, Interval seen) {
    return why_not_admissible(Expression::parse(text), {seen});
  };
  const auto expect = [](const std::string& message, const char* says) {
    EXPECT_NE(message.find(says), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  };
  expect(why("1/(x-3)", {-10, 12}), "leave its domain at x = 3.0");
  expect(why("1/(x-47)", {-10, 12}), "leave its domain at x = 47.0");
  expect(why("1/(x-500)", {-10, 12}), "leave its domain at x = 500");
  expect(why("1/(x+500)", {-10, 12}), "leave its domain at x = -500");
  expect(why("sqrt(x)", {-10, 12}), "leave its domain");
  expect(why("sqrt(x)", {1, 12}), "leave its domain");
  expect(why("exp(x)", {-10, 12}), "overflow");
  expect(why("x*x", {-10, 12}), "grow faster than linearly");
  expect(why("x", {-std::numeric_limits<double>::infinity(), 1}), "not finite");
}

TEST(Admissible, AreOnlyFunctionsThatAreFiniteWhereverSampled) {
  Random random({8});
  int admitted = 0;
  for (int i = 0; i < 3000; ++i) {
    const Expression f = random_expression(random, 1 + static_cast<int>(random.below(6)));
    if (!why_not_admissible(f, {-8, 8}).empty()) continue;
    ++admitted;
    for (int sample = 0; sample < 50; ++sample) {
      const double x =
          sample % 2 == 0 ? random.uniform(-32, 32) : random.normal() * std::pow(10, random.uniform(0, 5));
      ASSERT_TRUE(std::isfinite(static_cast<float>(f(x)))) << f.to_string() << " at " << x;
    }
  }
  EXPECT_GE(admitted, 1000);
}

TEST(StaysWithin, IsShownOnAMultipleOfTheRangeSeen) {
  const Interval seen{-2, 3};
  EXPECT_TRUE(stays_within(Expression::parse("x"), 12, {seen}));
  EXPECT_FALSE(stays_within(Expression::parse("x"), 11, {seen}));
  EXPECT_TRUE(stays_within(Expression::parse("x"), 6, {seen}, 2));
  EXPECT_TRUE(stays_within(Expression::parse("5*tanh(x)"), 5.1, {-1000, 1000}));
  EXPECT_TRUE(stays_within(Expression::parse("x/(x*x+1)"), 0.6, {seen}));
  EXPECT_FALSE(stays_within(Expression::parse("1/x"), 100, {seen}));
}

}  // namespace
}  // namespace normgraft
