#include "normgraft/quantize/arithmetic.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "network/fixtures.h"
#include "normgraft/graft/graft.h"
#include "normgraft/network/carrier.h"
#include "normgraft/network/stream.h"

namespace normgraft {
namespace {

using testing::small_images;
using testing::small_vit;

/// x of each site, and the logits.
struct Pass {
  std::vector<Tensor> x;
  Tensor logits;
};

Pass pass(const Network& network, const Tensor& images) {
  const at::NoGradGuard no_grad;
  Pass seen;
  seen.logits = network.forward(images, [&](size_t, const Tensor& x, const Tensor&) { seen.x.push_back(x); });
  return seen;
}

Network in_arithmetic(Network network, const Precision& format) {
  const Tensor images = format.integers() ? small_images(32) : Tensor();
  use_arithmetic(network, format, images, silent_monitor());
  return network;
}

double error(const Precision& format) {
  const Tensor images = small_images(8);
  return testing::relative_error(pass(in_arithmetic(small_vit(), format), images).logits,
                                 pass(small_vit(), images).logits);
}

int64_t distinct(const Tensor& x) {
  return std::get<0>(at::_unique(x)).numel();
}

TEST(Arithmetic, OfBfloat16RoundsEveryTensorAndTheStreamToBfloat16) {
  const Network network = in_arithmetic(small_vit(), {NumberKind::kBfloat16});
  const auto is_rounded = [](const Tensor& x) { return at::equal(x.to(at::kBFloat16).to(at::kFloat), x); };
  for (const auto& [name, tensor] : network.tensors()) EXPECT_TRUE(is_rounded(tensor)) << name;
  for (const Tensor& x : pass(network, small_images(4)).x) EXPECT_TRUE(is_rounded(x));
}

TEST(Arithmetic, ErrsAsMuchAsItsNumbersAreCoarse) {
  const double bfloat16 = error({NumberKind::kBfloat16}), float16 = error({NumberKind::kFloat16});
  const double w8a8 = error({NumberKind::kW8A8}), w8a16 = error({NumberKind::kW8A16});
  const double coarse = error({NumberKind::kW8A8, 8});
  EXPECT_GT(float16, 1e-5);
  EXPECT_LT(float16, 0.3 * bfloat16);
  EXPECT_LT(bfloat16, 0.03);
  EXPECT_GT(w8a16, 1e-3);
  EXPECT_LT(w8a16, w8a8);
  EXPECT_LT(w8a8, coarse);
  EXPECT_LT(coarse, 0.2);
}

TEST(Arithmetic, OfIntegersKeepsTheStreamInAsManyValuesAsItsBitsHave) {
  const Tensor images = small_images(64);
  const Pass eight = pass(in_arithmetic(small_vit(), {NumberKind::kW8A8, 8}), images);
  const Pass sixteen = pass(in_arithmetic(small_vit(), {NumberKind::kW8A8, 16}), images);
  for (size_t site = 0; site < eight.x.size(); ++site) {
    EXPECT_LE(distinct(eight.x[site]), 256) << site;
    EXPECT_GT(distinct(sixteen.x[site]), 1000) << site;
  }
}

TEST(Arithmetic, OfIntegersGivesEachOutputChannelOfAWeightAtMost255Values) {
  const Network network = in_arithmetic(small_vit(), {NumberKind::kW8A16});
  for (const char* name :
       {"patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "blocks.1.mlp.fc2.weight", "head.weight"}) {
    const Tensor rows = network.tensors().at(name).flatten(1);
    const Tensor steps = rows.abs().amax(1, true) / 127;
    const Tensor numbers = rows / steps;
    EXPECT_LT((numbers - numbers.round()).abs().max().item<double>(), 1e-3) << name;
  }
  EXPECT_TRUE(at::equal(network.tensors().at("blocks.0.mlp.fc1.bias"),
                        small_vit().tensors().at("blocks.0.mlp.fc1.bias")));
}

TEST(Arithmetic, GivesTheTellingChannelAStepOfItsOwn) {
  Network network = small_vit();
  let_channel_carry_scale(network, {small_images(64), {}}, {}, silent_monitor());
  for (size_t i = 0; i < network.sites().size(); ++i) {
    network.set_normalizer(
        i, [carried = network.sites()[i].carried](const Tensor& x) { return x * (-told(carried, x)).exp(); });
  }
  const Pass kept = pass(in_arithmetic(network, {NumberKind::kW8A8, 8}), small_images(64));
  for (size_t site = 0; site < network.sites().size(); ++site) {
    const Carried& carried = network.sites()[site].carried;
    const Tensor r = kept.x[site].select(-1, 0) * (255 / (carried.high - carried.low));
    EXPECT_LT((r - r.round()).abs().max().item<double>(), 1e-3) << site;
    EXPECT_GT(distinct(r), 20) << site;
  }
}

TEST(Arithmetic, LeavesABlindLinearBlind) {
  Network network = small_vit();
  let_mean_carry_scale(network, {small_images(64), {}}, {}, silent_monitor());
  Graft graft(network);
  for (const Site& site : graft.network().sites()) {
    const bool carries = site.carried.ratio > 0;
    graft.set_function(site.name, Expression::parse(carries ? "12*log(max(x,1))" : "x/(1+0.1*abs(x))"));
  }
  fold(graft);
  graft.keep_means();
  use_arithmetic(graft.network(), {NumberKind::kW8A8}, small_images(32), silent_monitor());
  for (const Site& site : graft.network().sites()) {
    const Tensor weight = graft.network().tensors().at(site.readers.front().weight);
    const Tensor off = weight.sum(1).abs() / weight.abs().amax(1);
    EXPECT_LT(off.max().item<double>(), 1e-4) << site.name;
  }
}

TEST(Arithmetic, ChoosesItsStepsAlikeWhateverTheThreads) {
  const Tensor images = small_images(5);
  const Tensor first = pass(in_arithmetic(small_vit(), {NumberKind::kW8A8}), images).logits;
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Tensor second = pass(in_arithmetic(small_vit(), {NumberKind::kW8A8}), images).logits;
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(first, second));
}

TEST(Arithmetic, OfIntegersNeedsPicturesAndAStreamOf8Or16Bits) {
  Network network = small_vit();
  const auto fault = [&](const Precision& format, const Tensor& images) {
    return testing::input_error([&] { use_arithmetic(network, format, images, silent_monitor()); });
  };
  EXPECT_EQ(fault({NumberKind::kW8A8}, {}),
            "arithmetic: no picture to choose the steps of integers by, expected at least one");
  EXPECT_EQ(fault({NumberKind::kW8A8, 12}, small_images(2)),
            "arithmetic: stream is 12, expected 8 or 16 bits");
}

TEST(NumberKind, IsReadByTheNameThatItIsWrittenBy) {
  for (const std::string& name : number_kind_names()) EXPECT_EQ(to_string(number_kind_named(name)), name);
  EXPECT_EQ(testing::input_error([] { number_kind_named("int4"); }),
            "arithmetic \"int4\" is unknown, expected one of float32, bfloat16, float16, w8a8, w8a16");
  EXPECT_EQ(to_string(Precision{NumberKind::kW8A8, 8}), "w8a8, stream int8");
}

}  // namespace
}  // namespace normgraft
