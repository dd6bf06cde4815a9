#include "normgraft/core/random.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <set>

namespace normgraft {
namespace {

TEST(Random, GivesTheStreamOfAnIndependentImplementation) {
  // From a Python implementation of SplitMix64 and xoshiro256**, itself checked against the published outputs
  // of the state 1, 2, 3, 4.
  Random random({1, 2, 3});
  EXPECT_EQ(random(), 0xabbd35ddb095a61bULL);
  EXPECT_EQ(random(), 0x761e422d1d7fff8cULL);
  EXPECT_EQ(random(), 0x0eb66bbcb68a1cefULL);
  EXPECT_EQ(Random({})(), 0x99ec5f36cb75f2b4ULL);
  EXPECT_EQ(Random({0})(), 0xee127fe613436e33ULL);
}

TEST(Random, MakesUniformNumbersFromTheUpper53Bits) {
  Random random({1, 2, 3});
  EXPECT_EQ(random.uniform(), 0.6708558717951605);
  EXPECT_EQ(random.uniform(), 0.4613992080826391);
}

TEST(Random, GivesDifferentStreamsForDifferentNames) {
  std::set<uint64_t> first;
  for (uint64_t a = 0; a < 30; ++a) {
    first.insert(Random({a})());
    for (uint64_t b = 0; b < 30; ++b) first.insert(Random({a, b})());
  }
  EXPECT_EQ(first.size(), 30U + 30U * 30U);
}

TEST(Random, HasTheMomentsOfTheUniformDistribution) {
  Random random({7});
  constexpr int kCount = 1'000'000;
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kCount; ++i) {
    const double u = random.uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    squares += u * u;
  }
  EXPECT_NEAR(sum / kCount, 1.0 / 2, 5 * std::sqrt(1.0 / 12 / kCount));
  EXPECT_NEAR(squares / kCount, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / kCount));
}

TEST(Random, HasTheMomentsOfTheNormalDistribution) {
  Random random({8});
  constexpr int kCount = 1'000'000;
  std::array<double, 5> power_sums{};
  for (int i = 0; i < kCount; ++i) {
    const double z = random.normal();
    double power = 1;
    for (double& sum : power_sums) {
      sum += power;
      power *= z;
    }
  }
  EXPECT_NEAR(power_sums[1] / kCount, 0, 5e-3);
  EXPECT_NEAR(power_sums[2] / kCount, 1, 5 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(power_sums[3] / kCount, 0, 5 * std::sqrt(15.0 / kCount));
  EXPECT_NEAR(power_sums[4] / kCount, 3, 5 * std::sqrt(96.0 / kCount));
}

TEST(Random, DrawsEachNumberBelowALimitEquallyOften) {
  Random random({9});
  constexpr int kCount = 600'000;
  std::array<int, 6> counts{};
  for (int i = 0; i < kCount; ++i) ++counts.at(random.below(counts.size()));
  for (const int count : counts) EXPECT_NEAR(count, kCount / 6, 5 * std::sqrt(kCount * 5.0 / 36));
  EXPECT_EQ(random.below(1), 0U);
}

}  // namespace
}  // namespace normgraft
