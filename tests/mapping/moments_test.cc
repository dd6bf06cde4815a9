#include "normgraft/mapping/moments.h"

#include <gtest/gtest.h>

#include "synthetic.h"

namespace normgraft {
namespace {

void expect_near(const Moments& a, const Moments& b, double tolerance) {
  EXPECT_NEAR(a.weight, b.weight, tolerance * b.weight);
  EXPECT_NEAR(a.weight2, b.weight2, tolerance * b.weight2);
  EXPECT_NEAR(a.x, b.x, tolerance * (1 + std::abs(b.x)));
  EXPECT_NEAR(a.y, b.y, tolerance * (1 + std::abs(b.y)));
  EXPECT_NEAR(a.sxx, b.sxx, tolerance * b.sxx);
  EXPECT_NEAR(a.sxy, b.sxy, tolerance * (b.sxx + b.syy));
  EXPECT_NEAR(a.syy, b.syy, tolerance * b.syy);
}

TEST(Moments, MergedPiecesEqualTheMomentsOfAllPairs) {
  const auto pictures = synthetic::layer_norm(10, 4, 48, 1);
  Moments merged;
  for (const auto& picture : pictures) merged.merge(synthetic::raw_moments({picture}, true, Part::kAll));
  expect_near(merged, synthetic::raw_moments(pictures, true, Part::kAll), 1e-12);
}

TEST(Moments, MergingNothingChangesNothing) {
  const Moments some{3, 1, 2, 4, 5, 6, 3};
  Moments sum = some;
  sum.merge(Moments{});
  expect_near(sum, some, 0);
  Moments empty;
  empty.merge(some);
  expect_near(empty, some, 0);
}

TEST(Moments, StayAccurateFarFromZero) {
  Moments merged;
  for (double x : {1e8, 1e8 + 1, 1e8 + 2}) merged.merge({1, x, -x, 0, 0, 0, 1});
  expect_near(merged, {3, 1e8 + 1, -1e8 - 1, 2, -2, 2, 3}, 1e-12);
}

}  // namespace
}  // namespace normgraft
