#include "normgraft/expr/grid.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "expr/random_program.h"
#include "support/input_error.h"

namespace normgraft {
namespace {

const ConstantGrid kGrids[] = {{.digits = 1},        {.digits = 3},         {.digits = 8},
                               {.fraction_bits = 0}, {.fraction_bits = 10}, {.fraction_bits = 30},
                               {.signed_digits = 1}, {.signed_digits = 3},  {.signed_digits = 8}};

TEST(ConstantGrid, AllowsAnyFloatUnlessThereIsAGrid) {
  EXPECT_TRUE(ConstantGrid{}.allows_all());
  EXPECT_EQ(ConstantGrid{}.nearest(0.123456789F), 0.123456789F);
  for (const ConstantGrid& grid : kGrids) EXPECT_FALSE(grid.allows_all());
}

TEST(ConstantGrid, RoundsToDigitsOrToFractions) {
  EXPECT_EQ((ConstantGrid{.digits = 2}.nearest(0.12345F)), 0.12F);
  EXPECT_EQ((ConstantGrid{.digits = 1}.nearest(-971.0F)), -1000.0F);
  EXPECT_EQ((ConstantGrid{.fraction_bits = 3}.nearest(0.3F)), 0.25F);
  EXPECT_EQ((ConstantGrid{.fraction_bits = 0}.nearest(-2.6F)), -3.0F);
}

TEST(ConstantGrid, LeavesWhatIsOnItAndRisesWithItsArgument) {
  Random random({17});
  for (const ConstantGrid& grid : kGrids) {
    float values[2];
    for (int i = 0; i < 20'000; ++i) {
      for (float& v : values) {
        do v = std::bit_cast<float>(static_cast<uint32_t>(random()));
        while (!std::isfinite(v));
      }
      const auto [low, high] = std::minmax(values[0], values[1]);
      ASSERT_TRUE(std::isfinite(grid.nearest(low)));
      ASSERT_LE(grid.nearest(low), grid.nearest(high)) << low << " " << high;
      ASSERT_EQ(grid.nearest(grid.nearest(low)), grid.nearest(low)) << low;
    }
  }
}

TEST(ConstantGrid, StaysFiniteNextToTheLargestFloat) {
  constexpr float kMost = std::numeric_limits<float>::max();
  EXPECT_EQ((ConstantGrid{.digits = 4}.nearest(kMost)), 3e38F);
  EXPECT_EQ((ConstantGrid{.digits = 4}.nearest(-kMost)), -3e38F);
  EXPECT_EQ((ConstantGrid{.fraction_bits = 30}.nearest(kMost)), kMost);
  EXPECT_EQ((ConstantGrid{.signed_digits = 1}.nearest(kMost)), 32768);
  EXPECT_EQ((ConstantGrid{.signed_digits = 3}.nearest(-kMost)), -(32768 + 8192 + 2048));
}

/// The digits of a whole number from the lowest: where what is left is odd, 1 or -1, so that the next is 0.
int recoded_digits(int64_t number) {
  int count = 0;
  for (; number != 0; number /= 2) {
    if (number % 2 == 0) continue;
    ++count;
    number -= (number % 4 + 4) % 4 == 1 ? 1 : -1;
  }
  return count;
}

TEST(SignedDigits, AreThoseOfTheShortestSumOfSignedPowersOfTwo) {
  struct Case {
    float value;
    int digits;
  };
  for (const Case& c :
       {Case{0, 0}, Case{1, 1}, Case{-0.25F, 1}, Case{3, 2}, Case{7, 2}, Case{-7, 2}, Case{5, 2},
        Case{0.75F, 2}, Case{11, 3}, Case{0x1.fffffep10F, 2}, Case{0x1.555554p0F, 12}, Case{1e-45F, 1},
        Case{3e-45F, 1}, Case{std::numeric_limits<float>::max(), 2}}) {
    EXPECT_EQ(signed_digits(c.value), c.digits) << c.value;
  }
  Random random({19});
  for (int i = 0; i < 20'000; ++i) {
    const auto whole = static_cast<int64_t>(random.below(1 << 24));
    const float value = std::ldexp(static_cast<float>(whole), static_cast<int>(random.below(60)) - 40);
    ASSERT_EQ(signed_digits(value), recoded_digits(whole)) << whole;
    ASSERT_EQ(signed_digits(-value), signed_digits(value));
  }
}

/// Every sum of at most `digits` signed powers of two between 2^low and 2^high, no two of them neighbours.
void append_sums(double sum, int digits, int low, int high, std::vector<double>& sums) {
  sums.push_back(sum);
  if (digits == 0) return;
  for (int k = low; k <= high; ++k) {
    for (const double digit : {std::ldexp(1.0, k), -std::ldexp(1.0, k)})
      append_sums(sum + digit, digits - 1, low, k - 2, sums);
  }
}

/// The value of a rising list that is nearest to `value`, which is not negative; of two the lower.
double nearest_of(const std::vector<double>& rising, double value) {
  const auto above = std::lower_bound(rising.begin(), rising.end(), value);
  if (above == rising.end()) return rising.back();
  if (above == rising.begin()) return *above;
  return *above - value < value - *(above - 1) ? *above : *(above - 1);
}

TEST(ConstantGrid, OfSignedDigitsGivesTheNearestOfAllTheirSums) {
  Random random({20});
  for (int digits = 1; digits <= 3; ++digits) {
    const ConstantGrid grid{.signed_digits = digits};
    std::vector<double> sums;
    append_sums(0, digits, -16, 15, sums);
    std::sort(sums.begin(), sums.end());
    std::vector<float> values;
    for (int i = 0; i < 20'000; ++i) values.push_back(static_cast<float>(std::exp2(random.uniform(-19, 18))));
    for (size_t i = 1; i < sums.size(); ++i) {
      const double middle = sums[i - 1] + (sums[i] - sums[i - 1]) / 2;
      for (const double value : {sums[i], middle}) {
        if (value >= 0 && static_cast<double>(static_cast<float>(value)) == value)
          values.push_back(static_cast<float>(value));
      }
    }
    for (const float value : values) {
      const double expected = nearest_of(sums, value);
      ASSERT_EQ(grid.nearest(value), expected) << value << " of " << digits;
      ASSERT_EQ(grid.nearest(-value), -expected) << value << " of " << digits;
      ASSERT_LE(signed_digits(grid.nearest(value)), digits);
    }
  }
}

TEST(ConstantGrid, OfMoreSignedDigitsGivesTheNearestOfAllTheirSumsOfLowPowers) {
  Random random({21});
  for (int digits = 1; digits <= 6; ++digits) {
    std::vector<double> sums;
    for (int64_t whole = 0; whole <= 1 << 15; ++whole) {
      if (recoded_digits(whole) <= digits) sums.push_back(std::ldexp(static_cast<double>(whole), -16));
    }
    for (int i = 0; i < 20'000; ++i) {
      const auto value = static_cast<float>(random.uniform(0, 0.5));
      ASSERT_EQ((ConstantGrid{.signed_digits = digits}.nearest(value)), nearest_of(sums, value)) << value;
    }
    // Half-way between two, the lower one.
    for (size_t i = 1; i < sums.size(); ++i) {
      const auto middle = static_cast<float>(sums[i - 1] + (sums[i] - sums[i - 1]) / 2);
      ASSERT_EQ((ConstantGrid{.signed_digits = digits}.nearest(middle)), sums[i - 1]) << middle;
    }
  }
}

TEST(ConstantGrid, IsNamedByAText) {
  EXPECT_EQ(constant_grid("any"), ConstantGrid{});
  EXPECT_EQ(constant_grid("digits:3"), (ConstantGrid{.digits = 3}));
  EXPECT_EQ(constant_grid("fraction:0"), (ConstantGrid{.fraction_bits = 0}));
  EXPECT_EQ(constant_grid("csd:8"), (ConstantGrid{.signed_digits = 8}));
  for (const std::string text :
       {"", "csd", "csd:", "csd:0", "csd:9", "csd:2x", "csd: 2", "digits:0", "digits:9", "fraction:31",
        "fraction:-1", "bits:3", "any:1", "csd:99999999999"}) {
    EXPECT_EQ(testing::input_error([&] { constant_grid(text); }),
              "constants " + text +
                  ": expected any, digits:1 to digits:8, fraction:0 to fraction:30, or csd:1 to csd:8");
  }
}

TEST(OnGrid, RoundsEveryConstantAndKeepsClipsInOrder) {
  const ConstantGrid quarter{.fraction_bits = 2};
  EXPECT_EQ(on_grid(Expression::parse("0.3*clip(x+0.61, 0.9, 1.1)"), quarter).to_string(),
            "0.25*clip(x+0.5, 1, 1)");
  EXPECT_EQ(on_grid(Expression::parse("clip(0.2*x, -5, 5)"), {.digits = 1}).to_string(),
            "clip(0.2*x, -5, 5)");
  EXPECT_EQ(on_grid(Expression::parse("0.9*clip(0.3*x, -5, 5)"), {.signed_digits = 2}).to_string(),
            "0.875*clip(0.3125*x, -5, 5)");
  Random random({18});
  for (const ConstantGrid& grid : kGrids) {
    for (int i = 0; i < 2000; ++i) {
      const Expression f = random_expression(random, 4);
      const Expression rounded = on_grid(f, grid);
      EXPECT_TRUE(is_on_grid(rounded, grid)) << rounded.to_string();
      EXPECT_EQ(rounded.hash(false), f.hash(false));
      for (const Instruction& step : rounded.program()) {
        if (step.op == Op::kClip) {
          EXPECT_LE(step.c[0], step.c[1]);
        }
      }
    }
  }
}

TEST(OnGrid, IsToldByEveryConstant) {
  EXPECT_TRUE(is_on_grid(Expression::parse("0.25*x+1.5"), {.fraction_bits = 2}));
  EXPECT_FALSE(is_on_grid(Expression::parse("0.25*x+1.4"), {.fraction_bits = 2}));
  EXPECT_FALSE(is_on_grid(Expression::parse("clip(x, -1, 1.1)"), {.fraction_bits = 2}));
  EXPECT_TRUE(is_on_grid(Expression::parse("clip(x, -1, 1.1)"), {}));
}

TEST(GridJson, GivesBackTheGridAndNamesWhatIsWrong) {
  for (const ConstantGrid& grid : kGrids) {
    const Json json = to_json(grid);
    EXPECT_EQ(grid_at(JsonPlace(json, "plan.json")), grid);
  }
  const auto message = [](const Json& json) -> std::string {
    try {
      grid_at(JsonPlace(json, "plan.json", "grid"));
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(message({{"digits", 9}, {"fraction_bits", -1}}),
            "plan.json: grid.digits: expected an integer from 0 to 8");
  EXPECT_EQ(message({{"digits", 0}, {"fraction_bits", -1}, {"signed_digits", 9}}),
            "plan.json: grid.signed_digits: expected an integer from 0 to 8");
  for (const Json& two : {Json{{"digits", 3}, {"fraction_bits", 8}},
                          Json{{"digits", 3}, {"fraction_bits", -1}, {"signed_digits", 2}},
                          Json{{"digits", 0}, {"fraction_bits", 0}, {"signed_digits", 2}}}) {
    EXPECT_EQ(message(two),
              "plan.json: grid: expected one of digits, fraction_bits and signed_digits at most");
  }
}

TEST(GridJson, WithoutSignedDigitsHasNone) {
  const Json json = {{"digits", 0}, {"fraction_bits", 7}};
  EXPECT_EQ(grid_at(JsonPlace(json, "plan.json")), (ConstantGrid{.fraction_bits = 7}));
}

}  // namespace
}  // namespace normgraft
