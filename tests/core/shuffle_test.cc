#include "normgraft/core/shuffle.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace normgraft {
namespace {

TEST(Shuffle, GivesEveryOrderEquallyOften) {
  constexpr int kDraws = 24'000;
  std::map<std::vector<int>, int> counts;
  for (uint64_t i = 0; i < kDraws; ++i) {
    std::vector<int> values = {1, 2, 3, 4};
    shuffle(values, Random{11, i});
    ++counts[values];
  }
  ASSERT_EQ(counts.size(), 24U);
  for (const auto& [order, count] : counts) {
    EXPECT_NEAR(count, kDraws / 24, 5 * std::sqrt(kDraws * 23.0) / 24);
  }
}

TEST(Shuffle, DependsOnTheStreamOnlyAndTakesAnyLength) {
  std::vector<int> once = {1, 2, 3, 4, 5, 6, 7, 8}, again = once, none;
  shuffle(once, Random{3});
  shuffle(again, Random{3});
  EXPECT_EQ(once, again);
  shuffle(none, Random{3});
  EXPECT_TRUE(none.empty());
}

}  // namespace
}  // namespace normgraft
