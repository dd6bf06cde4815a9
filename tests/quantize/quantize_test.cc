#include "normgraft/quantize/quantize.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "normgraft/integer/interpreter.h"
#include "normgraft/network/carrier.h"
#include "normgraft/network/stream.h"
#include "normgraft/quantize/arithmetic.h"
#include "support/input_error.h"
#include "support/small_model.h"

namespace normgraft {
namespace {

using testing::small_vit;

/// Pictures of the codes pixel - 128 [B, 3, 32, 32].
Tensor pixel_codes(int64_t count, uint64_t seed = 7) {
  at::manual_seed(seed);
  const Tensor contrast = 20 + 60 * at::rand({count, 1, 1, 1});
  return (at::randn({count, 3, 32, 32}) * contrast).round().clamp(-128, 127).to(at::kChar);
}

/// The same as a network of that preprocessing sees them.
Tensor as_images(const Tensor& codes, const Preprocessing& preprocessing) {
  const auto by_colour = [](const std::array<float, 3>& values) {
    return at::tensor({values[0], values[1], values[2]}).view({1, 3, 1, 1});
  };
  return ((codes.to(at::kFloat) + 128) / 255 - by_colour(preprocessing.mean)) / by_colour(preprocessing.std);
}

/// What a program says to pictures, in real numbers [B, classes].
Tensor logits_of(const IntegerProgram& program, const Tensor& codes) {
  const double step = program.buffers[static_cast<size_t>(program.logits)].step;
  std::vector<Tensor> rows;
  for (const Tensor& picture : codes.unbind()) {
    const std::vector<int32_t> logits =
        interpret(program, {picture.contiguous().data_ptr<int8_t>(), static_cast<size_t>(picture.numel())});
    rows.push_back(at::tensor(at::ArrayRef<int32_t>(logits), at::kDouble) * step);
  }
  return at::stack(rows).to(at::kFloat);
}

double relative_error(const Tensor& x, const Tensor& expected) {
  return ((x - expected).norm() / expected.norm()).item<double>();
}

double error_of(const Graft& graft, const Precision& precision) {
  const at::NoGradGuard no_grad;
  const Preprocessing& p = graft.network().preprocessing();
  const IntegerProgram program = quantize(graft, precision, as_images(pixel_codes(32), p), silent_monitor());
  check(program);
  prove_no_overflow(program);
  const Tensor seen = pixel_codes(12, 8);
  return relative_error(logits_of(program, seen), graft.forward(as_images(seen, p)));
}

double error_of_fake(const Graft& graft, const Precision& precision) {
  const at::NoGradGuard no_grad;
  const Preprocessing& p = graft.network().preprocessing();
  const Tensor seen = as_images(pixel_codes(12, 8), p), expected = graft.forward(seen);
  Network network = graft.network();
  use_arithmetic(network, precision, as_images(pixel_codes(32), p), silent_monitor());
  return relative_error(network.forward(seen), expected);
}

/// A stream of integers keeps one step from the first site to the last; the rounding in float has one for
/// each site, which 8 bits need more than 16.
double slack(int stream_bits) {
  return stream_bits == 16 ? 1.3 : 2;
}

/// x exp(-r), or for LayerNorms nothing.
Graft channel_graft() {
  const at::NoGradGuard no_grad;
  Network network = small_vit();
  const Tensor images = as_images(pixel_codes(32), network.preprocessing());
  let_channel_carry_scale(network, {images, {}}, {.units = 0}, silent_monitor());
  Graft graft(network);
  FunctionFile file;
  for (const Site& site : network.sites()) {
    file.functions.emplace(site.name, Expression::parse("x*exp(-r)"));
    file.seen.emplace(site.name, Interval{site.carried.low, site.carried.high});
  }
  graft.set_functions(file);
  return graft;
}

Graft plain_graft() {
  Graft graft(small_vit());
  FunctionFile file;
  for (const Site& site : graft.network().sites()) {
    file.functions.emplace(site.name, Expression::parse("3*tanh(0.4*x)"));
    file.seen.emplace(site.name, Interval{-8, 8});
  }
  graft.set_functions(file);
  return graft;
}

TEST(Quantize, OfALayerNormNetworkIsAsNearAsTheSameRoundingInFloat) {
  const Graft graft(small_vit());
  for (const int stream : {16, 8}) {
    const Precision precision{NumberKind::kW8A8, stream};
    const double real = error_of(graft, precision), fake = error_of_fake(graft, precision);
    EXPECT_LT(real, slack(stream) * fake + 0.005) << stream;
  }
}

TEST(Quantize, OfAGraftOfXTimesAFunctionOfRIsAsNearAsTheSameRoundingInFloat) {
  const Graft graft = channel_graft();
  for (const int stream : {16, 8}) {
    const Precision precision{NumberKind::kW8A8, stream};
    const double real = error_of(graft, precision), fake = error_of_fake(graft, precision);
    EXPECT_LT(real, slack(stream) * fake + 0.005) << stream;
  }
}

TEST(Quantize, OfAGraftOfFunctionsOfXAloneIsAsNearAsTheSameRoundingInFloat) {
  const Graft graft = plain_graft();
  const Precision precision{NumberKind::kW8A8, 16};
  const double real = error_of(graft, precision), fake = error_of_fake(graft, precision);
  EXPECT_LT(real, 1.3 * fake + 0.005);
}

/// What lies in a buffer before the step at `place`, of one picture: codes [rows, width].
Tensor codes_before(IntegerProgram program, const std::string& buffer, const std::string& place,
                    const Tensor& picture) {
  size_t step = 0, index = 0;
  while (program.steps[step].place != place) ++step;
  while (program.buffers[index].name != buffer) ++index;
  program.steps.resize(step);
  program.logits = static_cast<BufferIndex>(index);
  const std::vector<int32_t> codes =
      interpret(program, {picture.contiguous().data_ptr<int8_t>(), static_cast<size_t>(picture.numel())});
  return at::tensor(at::ArrayRef<int32_t>(codes), at::kDouble).view({program.buffers[index].rows, -1});
}

TEST(Quantize, TellsRAtTheFirstSiteAsTheNetworkDoes) {
  const at::NoGradGuard no_grad;
  const Graft graft = channel_graft();
  const Preprocessing& p = graft.network().preprocessing();
  const IntegerProgram program =
      quantize(graft, {NumberKind::kW8A8}, as_images(pixel_codes(32), p), silent_monitor());
  const IntegerBuffer& stream = program.buffers.front();
  const Tensor pictures = pixel_codes(3, 8);
  std::vector<Tensor> xs;
  graft.forward(as_images(pictures, p), [&](size_t, const Tensor& x, const Tensor&) { xs.push_back(x.to(at::kDouble)); });
  std::vector<Tensor> fs;
  Network fake = graft.network();
  use_arithmetic(fake, {NumberKind::kW8A8}, as_images(pixel_codes(32), p), silent_monitor());
  fake.forward(as_images(pictures, p), [&](size_t, const Tensor& x, const Tensor&) { fs.push_back(x.to(at::kDouble)); });
  for (size_t s = 0; s < xs.size(); ++s) {
  std::cout << "fake r " << (fs[s][0] - xs[s][0]).select(1, 0).abs().max().item<double>() << " x " << relative_error(fs[s][0].slice(1, 1), xs[s][0].slice(1, 1)) << "\n";
  const Tensor codes = codes_before(program, "stream", graft.network().sites()[s].name, pictures[0]);
  const Tensor r = (codes.select(1, 0) - static_cast<double>(stream.told_zero)) * stream.told_step;
  std::cout << "row0 r " << (r - xs[s][0].select(1, 0))[0].item<double>() << " x " << relative_error((codes.slice(1, 1) * stream.step)[0], xs[s][0].slice(1, 1)[0]) << " fake r " << (fs[s][0].select(1, 0) - xs[s][0].select(1, 0))[0].item<double>() << " x " << relative_error(fs[s][0].slice(1, 1)[0], xs[s][0].slice(1, 1)[0]) << "\n"; std::cout << s << " r " << (r - xs[s][0].select(1, 0)).abs().max().item<double>() << " x " << relative_error(codes.slice(1, 1) * stream.step, xs[s][0].slice(1, 1)) <<  " step " << stream.told_step << " range " << xs[s].select(2, 0).min().item<double>() << " " << xs[s].select(2, 0).max().item<double>() << " held " << graft.network().sites()[s].carried.low << " " << graft.network().sites()[s].carried.high << "\n";
  }
}

TEST(Quantize, InSixteenBitsErrsLess) {
  const Graft graft = channel_graft();
  EXPECT_LT(error_of(graft, {NumberKind::kW8A16, 16}), error_of(graft, {NumberKind::kW8A8, 16}));
}

}  // namespace
}  // namespace normgraft
