#include "normgraft/integer/arithmetic.h"

#include <gtest/gtest.h>

namespace normgraft {
namespace {

TEST(IntegerArithmetic, RoundsHalvesUp) {
  EXPECT_EQ(round_shift(3, 1), 2);
  EXPECT_EQ(round_shift(-3, 1), -1);
  EXPECT_EQ(round_shift(-5, 2), -1);
  EXPECT_EQ(round_shift(-6, 2), -1);
  EXPECT_EQ(round_shift(-7, 2), -2);
  EXPECT_EQ(round_shift(-7, 0), -7);
  EXPECT_EQ(round_shift((int64_t{1} << 62) - 1, 62), 1);
}

TEST(IntegerArithmetic, ClampsToBothEndsOfEachWidth) {
  EXPECT_EQ(clamp_to_bits(128, 8), 127);
  EXPECT_EQ(clamp_to_bits(-129, 8), -128);
  EXPECT_EQ(clamp_to_bits(32768, 16), 32767);
  EXPECT_EQ(clamp_to_bits(-32769, 16), -32768);
  EXPECT_EQ(clamp_to_bits(int64_t{1} << 40, 32), 2147483647);
  EXPECT_EQ(clamp_to_bits(-(int64_t{1} << 40), 32), -2147483648LL);
  EXPECT_EQ(clamp_to_bits(-77, 8), -77);
}

IntegerTensor knots(std::vector<int16_t> values) {
  return {.shape = {static_cast<int64_t>(values.size())}, .bits = 16, .values16 = std::move(values)};
}

TEST(IntegerArithmetic, ACurveIsStraightBetweenItsKnotsAndFlatBeyondThem) {
  const Curve curve{"knots", -8, 3};
  const IntegerTensor values = knots({10, 26, -6});
  const auto at = [&](int64_t q) { return value_at(curve, values, q); };
  EXPECT_EQ(at(-1000), 10);
  EXPECT_EQ(at(-8), 10);
  EXPECT_EQ(at(-7), 12);
  EXPECT_EQ(at(-1), 24);
  EXPECT_EQ(at(0), 26);
  EXPECT_EQ(at(1), 22);
  EXPECT_EQ(at(7), -2);
  EXPECT_EQ(at(8), -6);
  EXPECT_EQ(at(int64_t{1} << 40), -6);
}

TEST(IntegerArithmetic, ACurveRoundsBetweenItsKnotsHalvesUp) {
  const Curve curve{"knots", 0, 1};
  EXPECT_EQ(value_at(curve, knots({0, 3}), 1), 2);
  EXPECT_EQ(value_at(curve, knots({0, -3}), 1), -1);
}

TEST(IntegerArithmetic, ACurveRoundsOnceWhereItsKnotsHaveBitsBehindThePoint) {
  const Curve curve{"knots", 0, 1, 2};
  const IntegerTensor values = knots({6, 9});  // 1.5 and 2.25
  EXPECT_EQ(value_at(curve, values, 0), 2);
  EXPECT_EQ(value_at(curve, values, 1), 2);  // 1.875
  EXPECT_EQ(value_at(curve, values, 2), 2);
  EXPECT_EQ(value_at(curve, knots({5, 6}), 1), 1);  // 1.375
}

TEST(IntegerArithmetic, ACurveWithoutAShiftIsATable) {
  const Curve curve{"knots", -1, 0};
  const IntegerTensor values = knots({5, -9, 4});
  EXPECT_EQ(value_at(curve, values, -1), 5);
  EXPECT_EQ(value_at(curve, values, 0), -9);
  EXPECT_EQ(value_at(curve, values, 1), 4);
}

TEST(IntegerArithmetic, ACurveTakesAStepAsHighAs32BitsHold) {
  const IntegerTensor values{.shape = {2}, .bits = 32, .values32 = {INT32_MIN, INT32_MAX}};
  const Curve curve{"knots", 0, 16};
  EXPECT_EQ(value_at(curve, values, 32768), 0);
  EXPECT_EQ(value_at(curve, values, 65536), INT32_MAX);
}

TEST(IntegerArithmetic, TheFractionIsWhatStandsBehindTheLeadingOne) {
  EXPECT_EQ(leading_one(1), 0);
  EXPECT_EQ(leading_one(255), 7);
  EXPECT_EQ(leading_one(INT64_MAX), 62);
  EXPECT_EQ(fraction_behind_leading_one(1), 0);
  EXPECT_EQ(fraction_behind_leading_one(3), 32768);
  EXPECT_EQ(fraction_behind_leading_one(65536 + 5), 5);
  EXPECT_EQ(fraction_behind_leading_one(2 * 65536 + 5), 2);
  EXPECT_EQ(fraction_behind_leading_one(INT64_MAX), 65535);
}

TEST(IntegerArithmetic, TheRootIsTheLargestWholeNumberWhoseSquareFits) {
  for (int64_t root : {int64_t{1}, int64_t{2}, int64_t{46341}, int64_t{3037000499}}) {
    EXPECT_EQ(whole_root(root * root), root);
    EXPECT_EQ(whole_root(root * root - 1), root - 1);
    EXPECT_EQ(whole_root(root * root + 1), root);
  }
  EXPECT_EQ(whole_root(0), 0);
  EXPECT_EQ(whole_root(INT64_MAX), 3037000499);
}

}  // namespace
}  // namespace normgraft
