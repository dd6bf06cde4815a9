#include "normgraft/circuit/fixed_point.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace normgraft {
namespace {

TEST(FixedPoint, GivesBackEachCodeOfItsNumber) {
  for (const FixedPoint format :
       {FixedPoint{8, 4}, FixedPoint{12, -2}, FixedPoint{2, 0}, FixedPoint{8, 20}}) {
    for (int64_t code = format.least(); code <= format.most(); ++code)
      EXPECT_EQ(format.code(format.value(code)), code);
  }
  EXPECT_EQ((FixedPoint{8, 4}.value(-3)), -0.1875);
  EXPECT_EQ((FixedPoint{8, 4}.step()), 0.0625);
}

TEST(FixedPoint, TakesTheNearestCodeWithHalvesUpAndHoldsWhatIsBeyond) {
  const FixedPoint format{8, 1};
  EXPECT_EQ(format.code(1.2), 2);
  EXPECT_EQ(format.code(1.25), 3);
  EXPECT_EQ(format.code(-1.25), -2);
  EXPECT_EQ(format.code(1e30), 127);
  EXPECT_EQ(format.code(-1e30), -128);
  EXPECT_EQ(format.code(-std::numeric_limits<double>::infinity()), -128);
  EXPECT_EQ(format.code(std::nan("")), 0);
}

TEST(FixedPoint, OfARangeHasTheSmallestStepThatHoldsIt) {
  EXPECT_EQ(fixed_point_for({-8, 7.9}, 8), (FixedPoint{8, 4}));
  EXPECT_EQ(fixed_point_for({-8, 8}, 8), (FixedPoint{8, 3}));
  EXPECT_EQ(fixed_point_for({-600, 100}, 8), (FixedPoint{8, -3}));
  EXPECT_EQ(fixed_point_for({0, 0.001}, 16), (FixedPoint{16, 24}));
}

}  // namespace
}  // namespace normgraft
