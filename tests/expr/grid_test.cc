#include "normgraft/expr/grid.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "expr/random_program.h"

namespace normgraft {
namespace {

const ConstantGrid kGrids[] = {{.digits = 1},        {.digits = 3},         {.digits = 8},
                               {.fraction_bits = 0}, {.fraction_bits = 10}, {.fraction_bits = 30}};

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
}

TEST(OnGrid, RoundsEveryConstantAndKeepsClipsInOrder) {
  const ConstantGrid quarter{.fraction_bits = 2};
  EXPECT_EQ(on_grid(Expression::parse("0.3*clip(x+0.61, 0.9, 1.1)"), quarter).to_string(),
            "0.25*clip(x+0.5, 1, 1)");
  EXPECT_EQ(on_grid(Expression::parse("clip(0.2*x, -5, 5)"), {.digits = 1}).to_string(),
            "clip(0.2*x, -5, 5)");
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
  EXPECT_EQ(message({{"digits", 3}, {"fraction_bits", 8}}),
            "plan.json: grid: expected digits or fraction_bits, not both");
}

}  // namespace
}  // namespace normgraft
