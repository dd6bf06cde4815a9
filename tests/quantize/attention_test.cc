#include "attention.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "normgraft/integer/interpreter.h"

namespace normgraft {
namespace {

/// Queries, keys and values [N, 3 D] in real numbers.
struct Case {
  int64_t tokens, channels = 96, heads = 3;
  Tensor qkv;

  Case(double spread, int64_t count) : tokens(count) {
    at::manual_seed(3);
    qkv = at::randn({tokens, 3 * channels}, at::kDouble) * spread;
    qkv.slice(1, 2 * channels) *= at::logspace(-1, 1, channels).to(at::kDouble);
  }

  Tensor part(int64_t i) const {
    return qkv.slice(1, i * channels, (i + 1) * channels).view({tokens, heads, -1}).transpose(0, 1);
  }
  /// [N, D] of these numbers.
  static Tensor attended(const Case& of) {
    const double scale = 1 / std::sqrt(static_cast<double>(of.channels / of.heads));
    const Tensor weights = (at::matmul(of.part(0), of.part(1).transpose(1, 2)) * scale).softmax(-1);
    return at::matmul(weights, of.part(2)).transpose(0, 1).reshape({of.tokens, of.channels});
  }
};

/// The error of the step alone: what it gives for whole numbers, against what they stand for.
double error(double spread, int bits, int exp_bits, int64_t tokens = 197) {
  Case given(spread, tokens);
  const int64_t d = given.channels;
  const Tensor largest = given.qkv.abs().amax(0);
  const Tensor exact = Case::attended(given);
  const AttentionSteps steps = attention_steps(
      {largest.slice(0, 0, d), largest.slice(0, d, 2 * d), largest.slice(0, 2 * d), exact.abs().amax(0)},
      bits);
  ProgramMaker maker;
  const Codes qkv = maker.buffer("qkv", given.tokens, steps.qkv, 8);
  const Codes attended = maker.buffer("attended", given.tokens, steps.attended, bits);
  const Tensor codes = (given.qkv / steps.qkv).round().clamp(-128, 127);
  FillStep fill;
  fill.to = qkv.buffer;
  fill.tensor = maker.tensor("codes", codes, 8);
  maker.step("fill", fill);
  add_attention(maker, "attn", qkv, attended, steps, given.heads, exp_bits);
  IntegerProgram& program = maker.program();
  program.preprocessing.height = program.preprocessing.width = 1;
  program.logits = attended.buffer;
  prove_no_overflow(program);
  const std::vector<int8_t> picture(3);
  const std::vector<int32_t> out = interpret(program, picture);
  given.qkv = codes * steps.qkv;
  const Tensor expected = Case::attended(given) / steps.attended;
  const Tensor got = at::tensor(at::ArrayRef<int32_t>(out), at::kDouble).view_as(expected);
  return (got - expected).square().mean().sqrt().item<double>();
}

TEST(AttentionSteps, ErrLittleMoreThanTheRoundingOfWhatTheyGive) {
  for (const double spread : {0.3, 1.0, 1.6}) {
    EXPECT_LT(error(spread, 8, 15), 0.35) << spread;
    EXPECT_LT(error(spread, 8, 8), 0.6) << spread;
  }
}

TEST(AttentionSteps, OfManyTokensFitTheirSums) {
  EXPECT_LT(error(1, 8, 15, 600), 0.4);  // 600 x 128 x (2^15 - 1) would not
  EXPECT_LT(error(1, 8, 8, 600), 0.8);
}

}  // namespace
}  // namespace normgraft
