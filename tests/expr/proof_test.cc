#include <gtest/gtest.h>

#include "normgraft/expr/expression.h"

namespace normgraft {
namespace {

Tail tail_of(const char* text) {
  return tail(Expression::parse(text));
}

std::string refusal(const char* text) {
  return why_not_admissible(Expression::parse(text), {-3, 3});
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

}  // namespace
}  // namespace normgraft
