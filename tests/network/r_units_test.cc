#include "normgraft/network/r_units.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include "mixed_tokens.h"
#include "normgraft/network/carrier.h"
#include "normgraft/network/stream.h"
#include "support/input_error.h"
#include "support/small_model.h"
#include "unit_training.h"

namespace normgraft {
namespace {

constexpr int64_t kHidden = 64;

/// Pictures of which some patches are far stronger than the others.
Tensor peaked_images(int64_t count, uint64_t seed) {
  at::manual_seed(seed);
  const Tensor strong = (at::rand({count, 1, 4, 1, 4, 1}) < 0.2).to(at::kFloat);
  return (at::randn({count, 3, 4, 8, 4, 8}) * (0.5 + 3 * strong)).reshape({count, 3, 32, 32});
}

Network carrying(int64_t units, int64_t pictures = 128) {
  const at::NoGradGuard no_grad;
  Network network = testing::small_vit();
  CarrierOptions options;
  options.units = units;
  let_channel_carry_scale(network, {peaked_images(pictures, 1), peaked_images(32, 2)}, options,
                          silent_monitor());
  return network;
}

/// Mean squared error of r at the sites behind an MLP, on pictures nothing was fitted to.
double error_behind_mlps(const Network& network) {
  const at::NoGradGuard no_grad;
  double sum = 0;
  network.forward(peaked_images(64, 3), [&](size_t site, const Tensor& x, const Tensor&) {
    if (!network.sites()[site].writer || !network.sites()[site].writer->hidden) return;
    sum += (x.select(-1, 0) - spread(network.sites()[site], x).log()).square().mean().item<double>();
  });
  return sum;
}

TEST(RUnits, ChangeNothingWhereNothingReadsThem) {
  const at::NoGradGuard no_grad;
  Network network = testing::small_vit();
  free_channel(network);
  const Tensor images = peaked_images(3, 1), before = network.forward(images);
  add_r_units(network, 4);
  EXPECT_TRUE(at::allclose(network.forward(images), before, 1e-6, 1e-6));
  for (const char* block : {"blocks.0.", "blocks.1."}) {
    EXPECT_EQ(network.tensors().at(std::string(block) + "mlp.fc1.weight").size(0), kHidden + 4);
    EXPECT_EQ(network.tensors().at(std::string(block) + "mlp.fc2.weight").size(1), kHidden + 4);
  }
  EXPECT_EQ(check_r_units(network), 8);
  EXPECT_EQ(default_r_units(network), 2) << "a forty-eighth of 68";
  EXPECT_EQ(network.sites()[2].carried.units, 4);
  EXPECT_EQ(network.sites()[1].carried.units, 0) << "attention has no hidden units";
}

TEST(RUnits, TellTheSpreadBehindMlpsBetterThanLinesAlone) {
  EXPECT_LT(error_behind_mlps(carrying(8)), 0.8 * error_behind_mlps(carrying(0)));
}

TEST(RUnits, AreReadByRAlone) {
  const Network network = carrying(8);
  check_r_units_are_its_own(network);
  EXPECT_EQ(check_r_units(network), 16);
  const Tensor& second = network.tensors().at("blocks.0.mlp.fc2.weight");
  EXPECT_TRUE(second[0].slice(0, kHidden).any().item<bool>());
  EXPECT_FALSE(second.slice(0, 1).slice(1, kHidden).any().item<bool>());
  EXPECT_FALSE(network.tensors().at("blocks.0.mlp.fc1.weight").select(1, 0).any().item<bool>())
      << "they do not see r";
}

TEST(RUnits, LeaveTheLogitsOfLayerNormsAsTheyWere) {
  const at::NoGradGuard no_grad;
  const Tensor images = peaked_images(5, 3);
  const Tensor expected = testing::small_vit().forward(images), found = carrying(8).forward(images);
  EXPECT_LT((found - expected).abs().max().item<double>(), 1e-4 * expected.abs().max().item<double>());
}

TEST(RUnits, AreTrainedAgainFromWhereTheyAreAndDoNotDriftFromTheTeachersStream) {
  const at::NoGradGuard no_grad;
  Network network = carrying(8);
  const Network teacher = network;
  const double before = error_behind_mlps(network);
  const Tensor images = peaked_images(4, 5), expected = teacher.forward(images);
  carry_scale(network, {peaked_images(128, 1), peaked_images(32, 2)}, {}, &teacher, silent_monitor());
  EXPECT_LT(error_behind_mlps(network), 1.1 * before);
  EXPECT_EQ(check_r_units(network), 16);
  EXPECT_LT((network.forward(images) - expected).abs().max().item<double>(),
            1e-3 * expected.abs().max().item<double>());
}

TEST(RUnits, AreNotTakenWhereOtherPicturesDoNotGain) {
  const at::NoGradGuard no_grad;
  Network network = testing::small_vit();
  CarrierOptions options;
  // Few pictures to fit to show the weak patches alone, those to choose by others.
  let_channel_carry_scale(network, {0.5 * at::ones({2, 3, 32, 32}), peaked_images(32, 2)}, options,
                          silent_monitor());
  Network without = testing::small_vit();
  options.units = 0;
  let_channel_carry_scale(without, {0.5 * at::ones({2, 3, 32, 32}), peaked_images(32, 2)}, options,
                          silent_monitor());
  EXPECT_LE(error_behind_mlps(network), 1.05 * error_behind_mlps(without));
}

TEST(RUnits, AreTheSameInEachRun) {
  const Network one = carrying(4), other = carrying(4);
  for (const auto& [name, tensor] : one.tensors()) {
    EXPECT_TRUE(at::equal(tensor, other.tensors().at(name))) << name;
  }
}

TEST(RUnits, CountAsColumnsAndRowsOfDenseProducts) {
  Network network = testing::small_vit();  // N = 17, D = 16
  EXPECT_EQ(telling_ops(network), 0);
  free_channel(network);
  add_r_units(network, 3);
  EXPECT_EQ(telling_ops(network), 2 * 17 * (4 * 3 * 16)) << "2 MLPs";
  EXPECT_EQ(telling_ops(carrying(0)), 17 * 4 * (2 * 16 + 3)) << "4 squares at the first site";
}

TEST(RUnits, AreRefusedWhereTheNetworkDoesNotHaveThem) {
  const auto fault = [](size_t site, const Carried& carried) {
    Network network = testing::small_vit();
    free_channel(network);
    add_r_units(network, 4);
    network.set_carried(site, carried);
    return testing::input_error([&] { check_r_units(network); });
  };
  EXPECT_EQ(
      fault(1, {.channel = true, .units = 2}),
      "norm site \"blocks.0.norm2\": 2 hidden units of r are named, expected a writer with hidden units");
  EXPECT_EQ(fault(2, {.channel = true, .units = 68}),
            "norm site \"blocks.1.norm1\": 68 hidden units of r are named, expected fewer than 68");
  EXPECT_EQ(fault(2, {.units = 4}),
            "norm site \"blocks.1.norm1\": 4 hidden units of r are named, expected a channel that carries r");
}

TEST(RUnits, AreNotTaughtWhereOthersReadThem) {
  const at::NoGradGuard no_grad;
  Network network = carrying(4, 32);
  const Network teacher = network;
  network.tensors().at("blocks.0.mlp.fc2.weight") = network.tensors().at("blocks.0.mlp.fc2.weight") + 1;
  EXPECT_EQ(
      testing::input_error([&] {
        carry_scale(network, {peaked_images(8, 1), {}}, {}, &teacher, silent_monitor());
      }),
      "norm site \"blocks.1.norm1\": tensor \"blocks.0.mlp.fc2.weight\" lets others read the hidden units "
      "of r, expected r alone");
}

TEST(MixedTokens, LieBetweenTwoPicturesWithTheSpreadOfOneAndTheErrorOfTheOther) {
  const at::NoGradGuard no_grad;
  Site site;
  site.channels = 3;
  site.carried.channel = true;
  // Directions along channel 1 and channel 2; log s + 0.1 and log s - 0.2 in channel 0.
  const auto token = [](float s, float wrong, float one, float other) {
    return at::tensor({std::log(s) + wrong, one, other});
  };
  const float root = std::sqrt(3.0F);
  const Tensor x = at::stack({token(2, 0.1F, 2 * root, 0), token(5, -0.2F, 0, 5 * root)});
  const Tensor mixed = mixed_tokens(site, x, 500, 7);
  const Tensor s = spread(site, mixed), wrong = mixed.select(1, 0) - s.log();
  const auto near = [](const Tensor& a, double b) { return (a - b).abs() < 1e-3; };
  EXPECT_TRUE((near(s, 2) | near(s, 5)).all().item<bool>());
  EXPECT_TRUE((near(wrong, 0.1) | near(wrong, -0.2)).all().item<bool>());
  for (const double of_one : {2.0, 5.0}) {
    for (const double of_other : {0.1, -0.2}) {
      EXPECT_TRUE((near(s, of_one) & near(wrong, of_other)).any().item<bool>()) << of_one << of_other;
    }
  }
  const Tensor part = mixed.select(1, 1) / (mixed.select(1, 1) + mixed.select(1, 2));
  EXPECT_LT(part.min().item<double>(), -0.1) << "some are further from the mean than their pictures";
  EXPECT_TRUE((((part - 0.5).abs() < 0.05).any() & (part > 0.7).any()).item<bool>());
  EXPECT_TRUE(at::equal(mixed, mixed_tokens(site, x, 500, 7)));
}

TEST(MixedTokens, LetFewClassTokensTellTheSpreadOfOthers) {
  // 24 pictures of 3 classes: fewer than ten each.
  EXPECT_LT(error_behind_mlps(carrying(8, 24)), error_behind_mlps(carrying(0, 24)));
}

TEST(UnitTraining, FindsABendThatNoLineFollows) {
  at::manual_seed(4);
  const at::NoGradGuard no_grad;
  const Tensor z = at::randn({4096, 6}) * at::tensor({1.0F, 100.0F, 0.01F, 1.0F, 1.0F, 0.0F}) + 3;
  const Tensor target = ((z.select(1, 1) - 3) / 100).abs();
  const Units start{at::zeros({4, 6}), at::zeros({4}), at::zeros({4})};
  const Units trained = train_units({z, target, at::ones({4096})}, start, "gelu", 1);
  const double left = (trained("gelu", z) - target).square().mean().item<double>();
  EXPECT_LT(left, 0.05 * target.var().item<double>());
  EXPECT_EQ(trained.weight.select(1, 5).abs().max().item<double>(), 0) << "a channel that does not vary";
}

TEST(UnitTraining, CountsRowsAsTheyWeigh) {
  at::manual_seed(4);
  const at::NoGradGuard no_grad;
  const Tensor z = at::randn({2048, 3}), some = (at::rand({2048}) < 0.5).to(at::kFloat);
  const Tensor target = some * 2 - 1;  // not told by z
  const Units start{at::zeros({2, 3}), at::zeros({2}), at::zeros({2})};
  const auto mean = [&](const Tensor& weight) {
    return train_units({z, target, weight}, start, "gelu", 1)("gelu", z).mean().item<double>();
  };
  EXPECT_GT(mean(some + 0.01), 0.8);
  EXPECT_LT(mean(1.01 - some), -0.8);
}

}  // namespace
}  // namespace normgraft
