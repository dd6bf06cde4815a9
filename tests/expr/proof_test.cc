#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "expr/random_program.h"

namespace normgraft {
namespace {

Tail tail_of(const char* text) {
  return tail(Expression::parse(text));
}

std::string refusal(const char* text) {
  return why_not_admissible(Expression::parse(text), {-3, 3});
}

std::string refusal(const char* text, Interval r) {
  return why_not_admissible(Expression::parse(text), {{-3, 3}, r});
}

TEST(Admissible, LooksForPolesAsFarAsAMillion) {
  for (const char* text : {"1/(x - 12345)", "1/(x - 100000)", "1/(x + 300000)", "1/(x - 999000)"}) {
    EXPECT_EQ(tail_of(text), Tail::kBounded) << text << ": only the pole refuses it";
    EXPECT_NE(refusal(text).find("leave its domain"), std::string::npos) << text;
  }
}

TEST(Admissible, LooksForOverflowAsFarAsAMillion) {
  // e^100 is beyond a float: reached at x = 50,000 only, and never where the slope is less.
  EXPECT_NE(refusal("exp(0.002*min(x, 50000))").find("overflow"), std::string::npos);
  EXPECT_EQ(refusal("exp(0.001*min(x, 50000))"), "");
}

TEST(Tail, OfAQuotientTakesTheLeastGrowthOfItsDenominator) {
  // On the right x - |x| is 0, and what is divided by 1 + 0 stays a square, a line.
  EXPECT_EQ(tail_of("square(x)/(1 + abs(x - abs(x)))"), Tail::kUnbounded);
  EXPECT_EQ(tail_of("x/(1 + abs(x - abs(x)))"), Tail::kLinear);
  EXPECT_EQ(tail_of("square(x)/(1 + abs(x + abs(x)))"), Tail::kUnbounded);
  EXPECT_EQ(tail_of("square(x)/(1 + abs(x))"), Tail::kLinear);
}

TEST(Tail, OfAQuotientIsUnknownWhereItsDenominatorMayBeZero) {
  // The clip is 0 on one side and 1 in size on the other.
  EXPECT_EQ(tail_of("1/clip(x, -1, 0)"), Tail::kUnbounded);
  EXPECT_EQ(tail_of("1/clip(x, 0, 1)"), Tail::kUnbounded);
  EXPECT_EQ(tail_of("1/clip(x, -1, 1)"), Tail::kBounded);
  EXPECT_EQ(tail_of("1/(x - abs(x))"), Tail::kUnbounded);
}

TEST(Tail, IsUnknownWhereAPowerOverflowsAsAFloat) {
  // At a million x^4 is 1e24; x^8 is 1e48, beyond 3.4e38, and infinity over infinity is NaN.
  EXPECT_EQ(tail_of("square(square(x))/(1 + square(square(x)))"), Tail::kBounded);
  EXPECT_EQ(tail_of("square(square(square(x)))/(1 + square(square(square(x))))"), Tail::kUnbounded);
}

TEST(Tail, OfAFunctionOfTwoVariablesHoldsForEveryROfTheInterval) {
  const auto of_two = [](const char* text, Interval r) { return tail(Expression::parse(text), r); };
  for (const char* text : {"x*exp(-r)", "x*rsqrt(r)", "x/(1+0.5*r)", "x*clip(3-r, 0.5, 2)", "x*r", "x-r"})
    EXPECT_EQ(of_two(text, {0.1, 8}), Tail::kLinear) << text;
  for (const char* text : {"r", "tanh(x)*r", "x/(r+abs(x))", "exp(r)", "x*0+log(r)"})
    EXPECT_EQ(of_two(text, {0.1, 8}), Tail::kBounded) << text;
  for (const char* text : {"x*x*r", "exp(x)*r", "x/(r-1)", "x*rsqrt(r-1)", "x/(r*x)", "log(r-2)"})
    EXPECT_EQ(of_two(text, {0, 8}), Tail::kUnbounded) << text;
  EXPECT_EQ(of_two("x/(r*x)", {0.1, 8}), Tail::kBounded);
  EXPECT_EQ(of_two("clip(x*r, -1, 1)", Interval::entire()), Tail::kUnbounded) << "r may be NaN";
  EXPECT_EQ(of_two("x*clip(r, 0, 1)", {0, std::numeric_limits<double>::infinity()}), Tail::kUnbounded);
  EXPECT_EQ(of_two("2*x", Interval::entire()), Tail::kLinear);
}

TEST(Tail, OfAFunctionOfTwoVariablesIsLookedForOnPiecesOfR) {
  // By intervals alone the denominator may be 0: 1 - r and r*(r-1) are bounded apart.
  EXPECT_EQ(tail(Expression::parse("x/(r*(r-1)+1)"), {0, 3}), Tail::kLinear);
}

TEST(Admissible, AreFunctionsOfTwoVariablesFiniteForEveryROfTheInterval) {
  for (const char* text :
       {"x*exp(-r)", "x*rsqrt(r)", "x/(0.3+0.7*r)", "x*clip(2-0.4*r, 0.25, 2)", "x*(1-0.1*r)",
        "clip(x, -1, 1)+rsqrt(r)", "log(r)", "x/(r*(r-1)+1)", "x*sigmoid(-r)+r"})
    EXPECT_EQ(refusal(text, {0.1, 8}), "") << text;
}

TEST(Admissible, IsNoFunctionWithAPoleInTheIntervalOfR) {
  for (const char* text :
       {"x/(r-2)", "1/(r-2)", "x*rsqrt(r-2)", "log(r-2)", "x/(r-7.99)", "x+1/(r-0.11)", "1/(x-r)", "x/r*0"}) {
    EXPECT_NE(refusal(text, {0, 8}).find("leave its domain at x = "), std::string::npos) << text;
    EXPECT_NE(refusal(text, {0, 8}).find(", r = "), std::string::npos) << text;
  }
  EXPECT_NE(refusal("1/(r-2)", {0.1, 8}).find(", r = 1.9"), std::string::npos)
      << refusal("1/(r-2)", {0.1, 8});
  EXPECT_EQ(refusal("x/(r-2)", {2.5, 8}), "") << "the pole is outside";
  EXPECT_NE(refusal("exp(r)", {0, 100}).find("overflow"), std::string::npos);
  EXPECT_NE(refusal("x*x*r", {0.1, 8}).find("faster than linearly"), std::string::npos);
}

TEST(Admissible, IsXTimesWhatIsBoundedWhereRIsHeld) {
  // A float ends at 3.4e38, and x is looked at as far as 1e6, or four times what was seen.
  for (const char* text : {"x*exp(-r)", "exp(-r)*x*2", "2*x*exp(r)", "x*(1/(0.5+r))"})
    EXPECT_EQ(refusal(text, {0.1, 60}), "") << text;
  EXPECT_NE(refusal("x*exp(r)", {0.1, 75}).find(", r = 7"), std::string::npos);
  const Expression f = Expression::parse("x*exp(r)");
  EXPECT_EQ(why_not_admissible(f, {{-3, 1e7}, {0, 70}}), "");
  EXPECT_NE(why_not_admissible(f, {{-3, 1e8}, {0, 70}}), "") << "4e8 e^70 is beyond a float";
}

TEST(Admissible, ScalesTheRangeOfXAndNotTheIntervalOfR) {
  // At r = 8 the pole is at x = 12, four times the range seen; at r = 9 nothing is asked.
  EXPECT_NE(refusal("1/(x-r-3.5)", {0, 8}), "");
  EXPECT_EQ(refusal("x/(9-r)", {0, 8}), "");
  EXPECT_EQ(refusal("x*rsqrt(r)", {0.01, 8}), "");
}

TEST(Admissible, IsNoFunctionOfAnUnknownR) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_NE(refusal("x*r").find("it reads r, whose interval"), std::string::npos) << refusal("x*r");
  EXPECT_NE(refusal("clip(r, -1, 1)"), "");
  EXPECT_NE(refusal("x/(1+r)", {1, infinity}), "");
  EXPECT_NE(refusal("x/(1+r)", {2, 1}), "");
  EXPECT_EQ(refusal("tanh(x)", {2, 1}), "") << "r is not read";
}

TEST(Admissible, OfTwoVariablesAreFiniteWhereverSampled) {
  Random random({9});
  int admitted = 0;
  for (int i = 0; i < 3000; ++i) {
    const Expression f = random_expression_of_two(random, 1 + static_cast<int>(random.below(6)));
    const double ends[2] = {random.uniform(-3, 3), random.uniform(-3, 3)};
    const Interval r{std::min(ends[0], ends[1]), std::max(ends[0], ends[1])};
    if (!why_not_admissible(f, {{-8, 8}, r}).empty()) continue;
    ++admitted;
    for (int sample = 0; sample < 50; ++sample) {
      const double x =
          sample % 2 == 0 ? random.uniform(-32, 32) : random.normal() * std::pow(10, random.uniform(0, 5));
      const double at = random.uniform(r.low, r.high);
      ASSERT_TRUE(std::isfinite(static_cast<float>(f(x, at)))) << f.to_string() << " at " << x << ", " << at;
    }
  }
  EXPECT_GE(admitted, 1000);
}

TEST(StaysWithin, IsShownForEveryROfTheInterval) {
  const auto within = [](const char* text, double most, Interval r) {
    return stays_within(Expression::parse(text), most, {{-2, 3}, r});
  };
  // x reaches 12; g at most e^-0.5, 1/sqrt(0.25), 1/(1 + 0.5), 2.
  EXPECT_TRUE(within("x*exp(-r)", 12 * 0.6066, {0.5, 4}));
  EXPECT_FALSE(within("x*exp(-r)", 12 * 0.6065, {0.5, 4}));
  EXPECT_TRUE(within("x*rsqrt(r)", 24.001, {0.25, 4}));
  EXPECT_FALSE(within("x*rsqrt(r)", 23.999, {0.25, 4}));
  EXPECT_TRUE(within("x/(1+r)", 8.001, {0.5, 4}));
  EXPECT_FALSE(within("x/(1+r)", 7.999, {0.5, 4}));
  EXPECT_TRUE(within("x*clip(3-r, 0.1, 2)", 24.001, {0.5, 4}));
  EXPECT_FALSE(within("x*clip(3-r, 0.1, 2)", 23.999, {0.5, 4}));
  // r (4 - r) is 4 at most; taken apart, 4 * 4.
  EXPECT_TRUE(within("x*(r*(4-r))", 12 * 4.1, {0, 4}));
  EXPECT_FALSE(within("x*r", 1e9, Interval::entire()));
  EXPECT_FALSE(within("clip(r, 0, 1)", 1e9, {0, std::numeric_limits<double>::infinity()}));
}

}  // namespace
}  // namespace normgraft
