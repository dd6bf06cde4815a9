#include "constants.h"

#include <gtest/gtest.h>

#include <cmath>

namespace normgraft {
namespace {

ConstantRules rules_of(int digits, int fraction_bits) {
  return {.grid = {.digits = digits, .fraction_bits = fraction_bits}};
}

TEST(ConstantRules, TakeTheNearestValueOfTheGrid) {
  const ConstantRules quarters = rules_of(0, 2);
  EXPECT_EQ(quarters.grid.nearest(0.30F), 0.25F);
  EXPECT_EQ(quarters.grid.nearest(0.40F), 0.5F);
  EXPECT_EQ(quarters.grid.nearest(-0.40F), -0.5F);
  EXPECT_EQ(quarters.grid.nearest(-7.1F), -7.0F);
  EXPECT_EQ(rules_of(0, -1).grid.nearest(0.30F), 0.30F);
}

TEST(ConstantRules, TakeSoManySignificantDigits) {
  EXPECT_EQ(rules_of(1, -1).grid.nearest(0.012345F), 0.01F);
  EXPECT_EQ(rules_of(3, -1).grid.nearest(0.012345F), 0.0123F);
  EXPECT_EQ(rules_of(2, -1).grid.nearest(-98765.0F), -99000.0F);
  EXPECT_EQ(rules_of(3, -1).grid.nearest(3.14159F), 3.14F);
  EXPECT_EQ(rules_of(3, -1).grid.nearest(0.0F), 0.0F);
}

TEST(ConstantRules, TakeSoManySignedDigits) {
  const auto nearest = [](int digits, float value) {
    return ConstantRules{.grid = {.signed_digits = digits}}.grid.nearest(value);
  };
  EXPECT_EQ(nearest(1, 2.9F), 2.0F) << "its first canonical digit is 4, which is farther";
  EXPECT_EQ(nearest(2, 2.9F), 3.0F);
  EXPECT_EQ(nearest(2, -0.7F), -0.75F);
  EXPECT_EQ(nearest(3, 1.442695F), 1.4375F);
  EXPECT_EQ(nearest(1, 1e-6F), 0.0F);
}

TEST(ConstantRules, AreEvadedByConstantsThatAnOperationComputes) {
  for (const char* text : {"x+exp2(-224)", "x*(2+3)", "clip(4, 0, 1)-x", "r*-(exp(3))", "min(x, 1/0)"})
    EXPECT_TRUE(computes_constants(Expression::parse(text))) << text;
  for (const char* text : {"x", "3", "x+3", "2*clip(x, 0, 1)-3", "exp2(-224*r)", "min(x, 1)/0", "r-(2-x)"})
    EXPECT_FALSE(computes_constants(Expression::parse(text))) << text;
}

TEST(FitOnGrid, FitsTheOthersAgainAfterEachConstantIsRounded) {
  // y = 0.35 x + 0.5 on [10, 12]. With one digit the slope becomes 0.3 or 0.4, and the offset that is best
  // beside it 1.05 or -0.05; left at 0.5, it would be off by 0.55.
  Samples samples;
  for (int i = 0; i <= 100; ++i) {
    samples.x.push_back(static_cast<float>(10 + 0.02 * i));
    samples.y.push_back(0.35F * samples.x.back() + 0.5F);
    samples.weight.push_back(1.0F / 101);
  }
  samples.variance = 0.0416;
  FitWorkspace workspace;
  Expression f = Expression::parse("0.1*x + 0.1");
  const double error = fit(f, samples, 20, rules_of(1, -1), workspace);
  EXPECT_LT(std::sqrt(error), 0.1);
  EXPECT_NEAR(error, evaluate_fit(f, samples).error, 1e-6);
}

}  // namespace
}  // namespace normgraft
