// Each step on codes made by hand, its results worked out on paper from docs/integer.md.
#include <gtest/gtest.h>

#include "integer/built_program.h"

namespace normgraft {
namespace {

using testing::BuiltProgram;
using Codes = std::vector<int32_t>;

TEST(IntegerPatchStep, CutsColourByColourRowByRowAndLeavesTheRest) {
  BuiltProgram built;
  built.program.preprocessing.height = 3;
  built.program.preprocessing.width = 5;
  const BufferIndex patches = built.buffer("patches", 2, 12, 8);
  built.step("patches", PatchStep{patches, 3, 5, 2, 2});
  std::vector<int8_t> picture;  // tens for the colour, then rows of 5
  for (int i = 0; i < 45; ++i) picture.push_back(static_cast<int8_t>(40 * (i / 15) + i % 15));
  EXPECT_EQ(built.held(patches, picture), (Codes{0, 1, 5, 6, 40, 41, 45, 46, 80, 81, 85, 86,  //
                                                 2, 3, 7, 8, 42, 43, 47, 48, 82, 83, 87, 88}));
}

TEST(IntegerLinearStep, SumsRescalesAndAddsItsZero) {
  BuiltProgram built;
  const BufferIndex x = built.filled("x", 2, 8, {10, -20, 3, 4});
  const BufferIndex y = built.buffer("y", 2, 3, 8);
  built.step("linear", LinearStep{.from = x,
                                  .to = y,
                                  .weight = built.tensor("w", {3, 2}, 8, {1, 2, -128, 127, 3, 0}),
                                  .bias = built.tensor("b", {3}, 32, {5, 0, -1}),
                                  .multiplier = built.tensor("m", {3}, 32, {3, 1, -2}),
                                  .shift = built.tensor("s", {3}, 8, {1, 0, 0}),
                                  .zero = 7,
                                  .rows = 2});
  // Row 0: -25 x 3 = -75, halved -37; clamped; 29 x -2. Row 1: 16 x 3 = 48, halved 24; 124; 8 x -2.
  EXPECT_EQ(built.held(y), (Codes{-30, -128, -51, 31, 127, -9}));
}

TEST(IntegerLinearStep, AddsToTheRowsThatItIsGivenAndClampsTheSum) {
  BuiltProgram built;
  const BufferIndex x = built.filled("x", 2, 8, {100, 27});
  const BufferIndex stream = built.filled("stream", 3, 8, {1, 50, -30});
  LinearStep step = built.sums(x, stream, 2);
  step.adds = true;
  step.first_row = 1;
  built.step("linear", step);
  EXPECT_EQ(built.held(stream), (Codes{1, 127, -3}));
}

TEST(IntegerLinearStep, TakesSumsAndMultipliersAsLargeAs32BitsHold) {
  BuiltProgram built;
  const BufferIndex x = built.filled("x", 1, 16, {-32768, 32767});
  const BufferIndex y = built.buffer("y", 1, 2, 32);
  built.step("linear", LinearStep{.from = x,
                                  .to = y,
                                  .weight = built.tensor("w", {2, 2}, 8, {-128, 127, 127, -128}),
                                  .bias = built.tensor("b", {2}, 32, {2139127680, -2139127680}),
                                  .multiplier = built.tensor("m", {2}, 32, {INT32_MAX, INT32_MIN}),
                                  .shift = built.tensor("s", {2}, 8, {31, 31}),
                                  .rows = 1});
  // The sums are 2139127680 + 8355713 and -2139127680 - 8355712; the first multiplier is 1 less than 2^31.
  EXPECT_EQ(built.held(y), (Codes{2147483392, 2147483392}));
}

TEST(IntegerScaleStep, MultipliesByAFunctionOfChannelZeroAndEmptiesIt) {
  BuiltProgram built;
  const BufferIndex x = built.filled("x", 3, 16, {0, 100, -101, 16, 100, 3000, 8, 7, -7});
  const BufferIndex y = built.buffer("y", 3, 3, 8);
  const Curve g{built.tensor("g", {3}, 16, {64, 128, 32}), 0, 3};
  built.step("fill y", FillStep{y, built.tensor("y", {3, 3}, 8, {9, 9, 9, 9, 9, 9, 9, 9, 9})});
  built.step("scale", ScaleStep{x, y, g, 7, 2});
  EXPECT_EQ(built.held(y), (Codes{0, 50, -50, 0, 25, 127, 9, 9, 9}));
}

TEST(IntegerScaleStep, TakesRWithoutItsLowerBitsAndTheirMiddleForThoseOfXAndMayRoundDown) {
  BuiltProgram built;
  // r is -2 by its upper bits; x counts as 6, -6, 2, 26.
  const BufferIndex x = built.filled("x", 1, 16, {-13, 7, -8, 3, 24});
  const Curve g{built.tensor("g", {3}, 16, {3, 5, 7}), -3, 0};
  const BufferIndex rounded = built.buffer("rounded", 1, 5, 8), floored = built.buffer("floored", 1, 5, 8);
  ScaleStep step{x, rounded, g, 2, 1};
  step.r_cut = 3;
  step.x_cut = 2;
  built.step("rounded", step);
  step.to = floored;
  step.floors = true;
  built.step("floored", step);
  EXPECT_EQ(built.held(rounded), (Codes{0, 8, -7, 3, 33}));
  EXPECT_EQ(built.held(floored), (Codes{0, 7, -8, 2, 32}));
}

TEST(IntegerCurveStep, AppliesAFunctionToEachNumberOfTheFirstRows) {
  BuiltProgram built;
  const BufferIndex x = built.filled("x", 2, 8, {-128, -60, 0, 127, 1, 1, 1, 1});
  const BufferIndex y = built.filled("y", 2, 8, {5, 5, 5, 5, 6, 6, 6, 6});
  const Curve f{built.tensor("f", {3}, 16, {-1000, 0, 128}), -64, 6};
  built.step("curve", CurveStep{x, y, f, 1});
  EXPECT_EQ(built.held(y), (Codes{-128, -128, 0, 127, 6, 6, 6, 6}));
}

TEST(IntegerNormStep, IsLayerNormInTwentyBits) {
  BuiltProgram built;
  const BufferIndex x = built.filled("x", 2, 16, {3, 5, 4, 4, 7, 7, 7, 7});
  const BufferIndex y = built.buffer("y", 2, 4, 32);
  built.step("norm", NormStep{x, y, 1, 0, {1, 0}, 2});
  // m is -4, 4, 0, 0, V 33, its root 5 (in whole numbers), 2^46 / 5 x 4 / 2^26 = 838860.8.
  EXPECT_EQ(built.held(y), (Codes{-838861, 838861, 0, 0, 0, 0, 0, 0}));
}

TEST(IntegerNormStep, AddsEpsToItsSquares) {
  BuiltProgram built;
  const BufferIndex x = built.filled("x", 1, 16, {3, 5, 4, 4});
  const BufferIndex y = built.buffer("y", 1, 4, 32);
  built.step("norm", NormStep{x, y, 68, 0, {1, 0}, 1});
  // V is 100, its root 10.
  EXPECT_EQ(built.held(y), (Codes{-419430, 419430, 0, 0}));
}

TEST(IntegerNormStep, KeepsItsUnitWhereSquaresAreShifted) {
  BuiltProgram built;
  const BufferIndex x = built.filled("x", 1, 16, {30000, -30000});
  const BufferIndex y = built.buffer("y", 1, 2, 16);
  built.step("norm", NormStep{x, y, 1, 8, {1, 10}, 1});
  // m is 60000 and -60000, V 1 + 2 x 14062500, its root 5303, 2^46 / 5303 = 13269861309.
  // x 60000 / 2^30 = 741505.7; / 2^10 = 724.1, which is 2^10 / sqrt(2).
  EXPECT_EQ(built.held(y), (Codes{724, -724}));
}

TEST(IntegerFirstSpreadStep, WritesTheLogarithmOfASumOfSquaresIntoChannelZeroAlone) {
  BuiltProgram built;
  const BufferIndex p = built.filled("p", 3, 16, {3, -4, 0, 1, 2, 2});
  const BufferIndex stream = built.filled("stream", 3, 16, {1, 2, 3, 4, 5, 6});
  FirstSpreadStep step{.from = p, .to = stream};
  step.scale = built.tensor("scale", {2}, 32, {4, -2});
  step.number = built.tensor("number", {3}, 32, {3, 0, 22});
  step.number_shift = 3;
  step.log2 = {built.tensor("log2", {3}, 32, {0, 40000, 65536}), 0, 15};
  step.rescale = {1, 12};
  step.zero = -10;
  built.step("first", step);
  // Sums: 24 + 36 - 32 = 28, -2 (which counts as 1), 176 + 8 = 184.
  // 28: bit 4, fraction 49152, 40000 + 12768; (262144 + 52768) / 4096 = 76.9.
  // 184: bit 7, fraction 28672, 35000; (458752 + 35000) / 4096 = 120.5.
  EXPECT_EQ(built.held(stream), (Codes{67, 2, -10, 4, 111, 6}));
}

/// 2 tokens, 2 heads of 1 channel. Queries, keys and values of each token; exp falls by half with each unit.
struct SmallAttention : BuiltProgram {
  BufferIndex y;

  explicit SmallAttention(std::vector<int64_t> qkv, Rescale rescale = {1, 15}) {
    const BufferIndex x = filled("qkv", 2, 8, qkv);
    y = buffer("y", 2, 2, 16);
    AttentionStep attention{.from = x, .to = y, .heads = 2};
    attention.exp = {tensor("exp", {5}, 16, {128, 64, 32, 16, 0}), 0, 0};
    attention.reciprocal = {tensor("reciprocal", {3}, 32, {32768, 21845, 16384}), 0, 15};
    attention.rescale = rescale;
    step("attention", attention);
  }
};

TEST(IntegerAttentionStep, MixesValuesHeadByHead) {
  const SmallAttention built({1, 0, 2, 5, 100, -90, 2, 1, 3, 7, 10, 60});
  // Head 0, token 0: scores 2 and 3, exps 64 and 128, E 192 = 2^7 x 1.5, R 21845, a 64 x 100 + 128 x 10 =
  // 7680, 7680 x 21845 / 2^7 = 1310700, / 2^15 = 40.0. Token 1: scores 4 and 6, exps 32 and 128, E 160 = 2^7
  // x 1.25, R 27307 (27306.5), a 4480, / 2^7 955745, / 2^15 29.2. Head 1, token 0: scores 0 and 0, E 256, R
  // 32768, a 128 x -30 = -3840, / 2^8 -491520, -15. Token 1: scores 5 and 7, exps 32 and 128, E 160, a 32 x
  // -90 + 128 x 60 = 4800, 4800 x 27307 / 2^7 = 1024012.5, 31.25.
  EXPECT_EQ(built.held(built.y), (Codes{40, -15, 29, 31}));
}

TEST(IntegerAttentionStep, TakesScoresFarBelowTheLargestAsTheEndOfItsCurve) {
  const SmallAttention built({127, 0, 127, 0, 100, 4, 0, 0, -128, 0, -100, 8});
  // Head 0, token 0: scores 16129 and -16256; only the first counts. Token 1 sees both alike.
  EXPECT_EQ(built.held(built.y), (Codes{100, 6, 0, 6}));
}

TEST(IntegerAttentionStep, RescalesToTheWidthOfItsOutput) {
  const SmallAttention built({0, 0, 0, 0, 127, -128, 0, 0, 0, 0, 127, -128}, {INT32_MAX, 35});
  EXPECT_EQ(built.held(built.y), (Codes{32767, -32768, 32767, -32768}));
}

TEST(IntegerInterpreter, RefusesAPictureOfAnotherSize) {
  BuiltProgram built;
  const BufferIndex x = built.filled("x", 1, 8, {1});
  EXPECT_THROW(built.held(x, {0, 0}), InputError);
}

}  // namespace
}  // namespace normgraft
