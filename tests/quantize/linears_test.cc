#include "linears.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "normgraft/integer/interpreter.h"
#include "normgraft/integer/rescale.h"

namespace normgraft {
namespace {

struct Made {
  Tensor input;   ///< codes [N, in]
  Tensor output;  ///< codes [N, out]
  IntegerProgram program;
};

/// A program of one Linear, run on these codes.
Made run(const Tensor& codes, LinearToMake linear, int from_bits, double step, int64_t zero, double to_step,
         int64_t to_zero) {
  ProgramMaker maker;
  linear.place = "linear";
  linear.rows = codes.size(0);
  const bool floored = linear.from.floored;
  linear.from = maker.buffer("from", codes.size(0), codes.size(1), from_bits, step, zero);
  linear.from.floored = floored;
  linear.to = maker.buffer("to", codes.size(0), linear.weight.size(0), 16, to_step, to_zero);
  FillStep fill;
  fill.to = linear.from.buffer;
  fill.tensor = maker.tensor("codes", codes, from_bits);
  maker.step("fill", fill);
  add_linear(maker, linear);
  IntegerProgram& program = maker.program();
  program.preprocessing.height = program.preprocessing.width = 1;
  program.logits = linear.to.buffer;
  const std::vector<int8_t> picture(3);
  const std::vector<int32_t> out = interpret(program, picture);
  return {codes, at::tensor(at::ArrayRef<int32_t>(out), at::kDouble).view({codes.size(0), -1}), program};
}

Tensor random_codes(int64_t rows, int64_t width, int64_t most) {
  return at::randint(-most - 1, most + 1, {rows, width}, at::kLong);
}

TEST(AddLinear, IsTheProductOfRealNumbersUpToTheRoundingOfWeights) {
  at::manual_seed(1);
  LinearToMake linear;
  linear.weight = at::randn({20, 48}, at::kDouble) * at::logspace(-3, 1, 20).unsqueeze(1);
  linear.bias = at::randn({20}, at::kDouble);
  const Tensor codes = random_codes(30, 48, 127);
  const Tensor x = (codes.to(at::kDouble) - 17) * 0.03;
  const Tensor expected = x.matmul(linear.weight.t()) + linear.bias;
  const double step = expected.abs().max().item<double>() / 30000;
  const Made made = run(codes, linear, 8, 0.03, 17, step, -5);
  const Tensor error = (made.output + 5) * step - expected;
  const Tensor scale = linear.weight.abs().amax(1) / 127 * x.norm(2, 1).mean();
  EXPECT_LT((error.abs().mean(0) / (scale + step)).max().item<double>(), 0.5);
}

TEST(AddLinear, TakesFlooredCodesForHalfAStepMoreInAllChannelsBut0) {
  at::manual_seed(3);
  LinearToMake linear;
  linear.weight = at::randn({20, 48}, at::kDouble);
  linear.weight.select(1, 0) = 1;
  const Tensor codes = random_codes(30, 48, 127);
  codes.select(1, 0) = 0;
  const double step = 0.005;
  const Made plain = run(codes, linear, 8, 0.03, 0, step, 0);
  linear.from.floored = true;
  const Made floored = run(codes, linear, 8, 0.03, 0, step, 0);
  const Tensor expected = linear.weight.slice(1, 1).sum(1) * 0.03 / 2;
  const Tensor difference = (floored.output - plain.output) * step - expected;
  const double of_weights = 0.03 / 127 * linear.weight.abs().max().item<double>();
  EXPECT_LT(difference.abs().max().item<double>(), 24 * of_weights + step);
  EXPECT_GT(expected.abs().max().item<double>(), 0.1);
}

TEST(AddLinear, AddsItsSumsAsPyTorchsIntegersDo) {
  at::manual_seed(2);
  LinearToMake linear;
  linear.weight = at::randn({9, 33}, at::kDouble);
  const Tensor codes = random_codes(7, 33, 127);
  const Made made = run(codes, linear, 8, 0.1, 3, 0.01, 2);
  const auto tensor = [&](const char* name) {
    return made.program.tensors.at(std::string("linear.") + name);
  };
  const Tensor weight = at::tensor(at::ArrayRef<int8_t>(tensor("weight").values8), at::kLong).view({9, 33});
  const Tensor bias = at::tensor(at::ArrayRef<int32_t>(tensor("bias").values32), at::kLong);
  const Tensor multiplier = at::tensor(at::ArrayRef<int32_t>(tensor("multiplier").values32), at::kLong);
  const Tensor shift = at::tensor(at::ArrayRef<int8_t>(tensor("shift").values8), at::kLong);
  const Tensor sums = codes.matmul(weight.t()) + bias;
  const Tensor half = at::bitwise_left_shift(at::ones_like(shift), shift - 1);
  const Tensor expected = at::bitwise_right_shift(sums * multiplier + half, shift) + 2;
  EXPECT_TRUE(at::equal(expected.clamp(-32768, 32767), made.output.to(at::kLong)));
}

TEST(AddLinear, TakesUpInItsBiasWhatRoundingDoesOnAverage) {
  at::manual_seed(3);
  LinearToMake linear;
  linear.weight = at::randn({16, 64}, at::kDouble);
  const Tensor codes = random_codes(40, 64, 20) + 90;
  const Tensor x = codes.to(at::kDouble) * 0.05;
  const Tensor expected = x.matmul(linear.weight.t());
  const auto mean_error = [&] {
    const Made made = run(codes, linear, 8, 0.05, 0, 0.01, 0);
    return (made.output * 0.01 - expected).mean(0).abs().max().item<double>();
  };
  const double without = mean_error();
  linear.mean = x.mean(0);
  EXPECT_LT(mean_error(), 0.2 * without);
}

TEST(AddLinear, WidensTheStepsWhoseSumsWouldNotFit32Bits) {
  at::manual_seed(4);
  LinearToMake linear;
  linear.weight = at::ones({2, 4000}, at::kDouble);
  linear.weight[1] = at::randn({4000}, at::kDouble);
  const Made made = run(random_codes(1, 4000, 32767), linear, 16, 0.001, 0, 1, 0);
  const auto bounds = prove_no_overflow(made.program);
  EXPECT_GT(bounds.back().largest, 2000000000);  // as near as it can
}

TEST(AddLinear, KeepsABlindLinearBlind) {
  at::manual_seed(5);
  LinearToMake linear;
  linear.weight = at::randn({12, 40}, at::kDouble);
  linear.weight = linear.weight - linear.weight.mean(1, true);
  linear.blind = true;
  const Tensor codes = random_codes(5, 40, 60);
  const Tensor first = run(codes, linear, 8, 0.1, 0, 0.01, 0).output;
  EXPECT_TRUE(at::equal(first, run(codes + 50, linear, 8, 0.1, 0, 0.01, 0).output));
}

TEST(RescaleBy, IsWithinAPartIn2To30AndUses31Bits) {
  for (const double factor : {1.0, 0.3, 1e-9, 7.25, 1e6, -0.02, 0.9999999999}) {
    const Rescale rescale = rescale_by(factor);
    EXPECT_NEAR(rescale.multiplier / std::ldexp(1, rescale.shift) / factor, 1, std::ldexp(1, -30)) << factor;
    EXPECT_GE(std::abs(int64_t{rescale.multiplier}), int64_t{1} << 30) << factor;
  }
  EXPECT_EQ(rescale_by(0).multiplier, 0);
  EXPECT_EQ(rescale_by(1e-15).shift, 62);
  EXPECT_THROW(rescale_by(std::ldexp(1, 31)), std::logic_error);
  EXPECT_THROW(rescale_by(std::nan("")), std::logic_error);
}

}  // namespace
}  // namespace normgraft
