#include <gtest/gtest.h>

#include "integer/built_program.h"
#include "support/input_error.h"
#include "support/integer_programs.h"

namespace normgraft {
namespace {

using testing::BuiltProgram;
using testing::input_error;

/// A Linear of 16 bits whose second output has these weights and this bias.
IntegerProgram linear(const std::vector<int64_t>& weights, int64_t bias) {
  BuiltProgram built;
  const auto in = static_cast<int64_t>(weights.size());
  const BufferIndex x = built.filled("x", 1, 16, std::vector<int64_t>(weights.size(), 1));
  built.program.logits = built.buffer("logits", 1, 2, 32);
  std::vector<int64_t> rows(weights.size(), 1);
  rows.insert(rows.end(), weights.begin(), weights.end());
  built.step("head", LinearStep{.from = x,
                                .to = built.program.logits,
                                .weight = built.tensor("w", {2, in}, 8, rows),
                                .bias = built.tensor("b", {2}, 32, {0, bias}),
                                .multiplier = built.tensor("m", {2}, 32, {1, 1}),
                                .shift = built.tensor("s", {2}, 8, {0, 0}),
                                .rows = 1});
  check(built.program);
  return built.program;
}

// 511 weights of 128 and one of 127: 65535 x 32768 = 2^31 - 32768.
std::vector<int64_t> nearly_too_many_weights() {
  std::vector<int64_t> weights(512, -128);
  weights[17] = 127;
  return weights;
}

TEST(IntegerBounds, ALinearJustWithin32BitsIsProved) {
  for (const int64_t bias : {32767, -32767}) {
    const std::vector<AccumulatorBound> bounds = prove_no_overflow(linear(nearly_too_many_weights(), bias));
    ASSERT_EQ(bounds.size(), 1U);
    EXPECT_EQ(bounds[0].place, "head");
    EXPECT_EQ(bounds[0].sum, "output");
    EXPECT_EQ(bounds[0].bits, 32);
    EXPECT_EQ(bounds[0].row, 1);
    EXPECT_EQ(bounds[0].largest, INT32_MAX);
  }
}

TEST(IntegerBounds, ALinearJustBeyond32BitsIsRefusedWithItsRowAndBound) {
  for (const int64_t bias : {32768, -32768}) {
    EXPECT_EQ(input_error([&] { prove_no_overflow(linear(nearly_too_many_weights(), bias)); }),
              "integer program: step 1, \"head\": row 1 of its output can reach 2147483648, expected at most "
              "2147483647, the largest of 32 bits");
  }
}

TEST(IntegerBounds, TheBoundOfALinearIsReachedByOnePicture) {
  BuiltProgram built;
  const BufferIndex x = built.filled("x", 1, 8, {-128, -128, -128});
  const BufferIndex y = built.buffer("y", 1, 1, 32);
  LinearStep step = built.sums(x, y);
  built.tensor("bias", {1}, 32, {-100});
  built.step("linear", step);
  built.program.logits = y;
  EXPECT_EQ(prove_no_overflow(built.program)[0].largest, 3 * 128 + 100);
  EXPECT_EQ(built.held(y)[0], -(3 * 128 + 100));
}

/// Attention of so many rows over `width` channels in one head, exp at most `most`.
IntegerProgram attention(int64_t rows, int64_t width, int64_t most) {
  BuiltProgram built;
  const BufferIndex x =
      built.filled("x", rows, 8, std::vector<int64_t>(static_cast<size_t>(rows * width * 3), 1));
  const BufferIndex y = built.buffer("y", rows, width, 8);
  AttentionStep step{.from = x, .to = y, .heads = 1, .exp_bits = 15};
  step.exp.knots = built.tensor("exp", {2}, 16, {most, 0});
  step.reciprocal = {built.tensor("reciprocal", {2}, 32, {32768, 16384}), 0, 16};
  built.step("attention", step);
  built.answer_with(y);
  check(built.program);
  return built.program;
}

TEST(IntegerBounds, AttentionIsBoundedInScoresExponentialsAndValues) {
  const std::vector<AccumulatorBound> bounds = prove_no_overflow(attention(3, 5, 1000));
  ASSERT_EQ(bounds.size(), 4U);
  EXPECT_EQ(bounds[0].sum, "scores");
  EXPECT_EQ(bounds[0].largest, 2 * 5 * 128 * 128);
  EXPECT_EQ(bounds[1].sum, "exponentials");
  EXPECT_EQ(bounds[1].largest, 3000);
  EXPECT_EQ(bounds[2].sum, "values");
  EXPECT_EQ(bounds[2].largest, 3000 * 128);
}

TEST(IntegerBounds, AttentionOfTooManyTokensOrChannelsIsRefused) {
  EXPECT_NO_THROW(prove_no_overflow(attention(512, 1, 32767)));
  EXPECT_NE(input_error([] {
              prove_no_overflow(attention(513, 1, 32767));
            }).find("its values can reach 2151612288"),
            std::string::npos);
  EXPECT_NO_THROW(prove_no_overflow(attention(1, 65535, 1)));
  EXPECT_NE(
      input_error([] { prove_no_overflow(attention(1, 65536, 1)); }).find("its scores can reach 2147483648"),
      std::string::npos);
}

IntegerProgram norm(int bits, const std::vector<int64_t>& codes, int variance_shift, int64_t eps = 1) {
  BuiltProgram built;
  const BufferIndex x = built.filled("x", 1, bits, codes);
  const BufferIndex y = built.buffer("y", 1, static_cast<int64_t>(codes.size()), 8);
  built.step("norm", NormStep{x, y, eps, variance_shift, {1, 0}, 1});
  built.answer_with(y);
  return built.program;
}

TEST(IntegerBounds, ANormIsBoundedIn64Bits) {
  const std::vector<AccumulatorBound> bounds = prove_no_overflow(norm(8, {1, 2, 3, 4, 5, 6}, 2, 7));
  ASSERT_EQ(bounds.size(), 2U);
  EXPECT_EQ(bounds[0].sum, "squares");
  EXPECT_EQ(bounds[0].bits, 64);
  EXPECT_EQ(bounds[0].largest, 7 + 6 * (1275 * 1275 / 4));
}

TEST(IntegerBounds, ANormWhoseSquaresLeave64BitsIsRefusedUntilTheyAreShifted) {
  const std::vector<int64_t> codes(2000, 1);
  EXPECT_NO_THROW(check(norm(16, codes, 2)));
  const std::vector<int64_t> more(1 << 12, 1);  // M^2 is 2^56, 2^68 in sum
  EXPECT_NE(input_error([&] { check(norm(16, more, 4)); }).find("row 0 of its squares"), std::string::npos);
  EXPECT_NO_THROW(check(norm(16, more, 6)));
  // M^2 itself does not fit.
  EXPECT_NE(input_error([] { check(norm(32, {1, 2}, 16)); }).find("18446744065119617025"), std::string::npos);
}

TEST(IntegerBounds, AFirstSpreadIsBoundedByItsNumbersAndScales) {
  BuiltProgram built;
  const BufferIndex p = built.filled("p", 2, 8, {1, 2, 3, 4});
  const BufferIndex stream = built.filled("stream", 2, 8, {1, 1});
  FirstSpreadStep step{.from = p, .to = stream, .number_shift = 4};
  step.scale = built.tensor("scale", {2}, 32, {-3, 2});
  step.number = built.tensor("number", {2}, 32, {5, -6});
  step.log2 = {built.tensor("log2", {2}, 32, {0, 65536}), 0, 16};
  built.step("first", step);
  built.answer_with(stream);
  check(built.program);
  const AccumulatorBound bound = prove_no_overflow(built.program)[0];
  EXPECT_EQ(bound.row, 1);
  EXPECT_EQ(bound.bits, 64);
  EXPECT_EQ(bound.largest, 6 * 16 + 5 * 128 * 128);
}

TEST(IntegerBounds, NameEveryStepThatSums) {
  Random random({34});
  const IntegerProgram program = testing::random_integer_program(testing::IntegerShape{}, random);
  std::vector<std::string> expected, found;
  for (const PlacedStep& placed : program.steps) {
    const bool sums = std::holds_alternative<LinearStep>(placed.step) ||
                      std::holds_alternative<NormStep>(placed.step) ||
                      std::holds_alternative<FirstSpreadStep>(placed.step);
    if (sums) expected.push_back(placed.place);
    if (std::holds_alternative<AttentionStep>(placed.step)) expected.insert(expected.end(), 3, placed.place);
  }
  for (const AccumulatorBound& bound : prove_no_overflow(program)) found.push_back(bound.place);
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace normgraft
