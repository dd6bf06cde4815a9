#include <gtest/gtest.h>

#include <cmath>

#include "normgraft/core/error.h"
#include "normgraft/network/carrier.h"
#include "normgraft/network/first_carrier.h"
#include "normgraft/network/r_slopes.h"
#include "normgraft/network/stream.h"
#include "support/small_model.h"

namespace normgraft {
namespace {

/// Pictures of two gratings, as strong in each patch as that patch's contrast, which varies by a factor
/// of 10.
Tensor textured_images(int64_t count, int64_t seed) {
  at::manual_seed(99);
  const Tensor gratings = at::randn({2, 1, 3, 1, 8, 1, 8});
  at::manual_seed(static_cast<uint64_t>(seed));
  Tensor images = 0.05 * at::randn({count, 3, 4, 8, 4, 8});
  const Tensor contrast = (at::rand({count, 1, 4, 1, 4, 1}) * std::log(10.0)).exp() * 0.3;
  for (const Tensor& grating : gratings.unbind(0)) {
    const Tensor sign = at::randint(0, 2, {count, 1, 4, 1, 4, 1}) * 2 - 1;
    images = images + contrast * sign * grating;
  }
  return images.reshape({count, 3, 32, 32});
}

/// A small network whose branches add little to the stream, as those of deep networks do.
Network calm_vit() {
  Network network = testing::small_vit();
  for (const Site& site : network.sites()) {
    if (!site.writer) continue;
    for (const std::string& name : {site.writer->linear.weight, site.writer->linear.bias}) {
      network.tensors().at(name) = 0.2 * network.tensors().at(name);
    }
  }
  return network;
}

/// A small network with a carrier, fitted to 96 pictures.
struct Carrying {
  Carrying() {
    let_channel_carry_scale(network, {textured_images(96, 1), textured_images(32, 2)}, {}, silent_monitor());
  }
  const Network original = calm_vit();
  Network network = original;
};

const Carrying& carrying() {
  static const Carrying made;
  return made;
}

double distance(const Tensor& a, const Tensor& b) {
  return (a - b).square().mean().item<double>();
}

TEST(ChannelCarrier, LeavesTheLogitsOfLayerNormsAsTheyWere) {
  const at::NoGradGuard no_grad;
  const Tensor images = textured_images(5, 3);
  const Tensor expected = carrying().original.forward(images), found = carrying().network.forward(images);
  EXPECT_LT((found - expected).abs().max().item<double>(), 1e-4 * expected.abs().max().item<double>());
}

TEST(ChannelCarrier, TellsTheSpreadBetterThanAnyConstantAtMostSites) {
  const at::NoGradGuard no_grad;
  const Network& network = carrying().network;
  size_t better = 0;
  network.forward(textured_images(48, 3), [&](size_t site, const Tensor& x, const Tensor& y) {
    const Tensor own = without_carrier(x);
    const double by_r = distance(own * (-told(network.sites()[site].carried, x)).exp(), y);
    const Tensor best = (own * y).sum() / own.square().sum();
    better += by_r < distance(own * best, y);
  });
  EXPECT_GE(better, network.sites().size() - 1);
}

/// Mean over the tokens of each place of the squared error of r, and of that of its best constant.
std::pair<double, double> first_errors(const Network& network, const Tensor& images) {
  const Tensor x = network.enter(images);
  const Tensor log_s = spread(network.sites()[0], x).log().slice(1, 1);  // no spread of a class token varies
  const Tensor r = told(network.sites()[0].carried, x).squeeze(-1).slice(1, 1);
  return {distance(r, log_s), distance(log_s, log_s.mean(0, true))};
}

TEST(ChannelCarrier, TellsTheSpreadAtTheFirstSiteByASumOfSquares) {
  const at::NoGradGuard no_grad;
  const Tensor images = textured_images(48, 3);
  ASSERT_TRUE(tells_first_spread(carrying().network.tensors()));
  const auto [told_error, constant_error] = first_errors(carrying().network, images);
  EXPECT_GT(constant_error, 0.01);
  EXPECT_LT(std::sqrt(told_error), 0.5 * std::sqrt(constant_error));
}

TEST(ChannelCarrier, HoldsRWithinTheRangeOfTheSpreadsItHasSeen) {
  const at::NoGradGuard no_grad;
  const Network& network = carrying().network;
  network.forward(textured_images(96, 1), [&](size_t site, const Tensor& x, const Tensor&) {
    const Carried& carried = network.sites()[site].carried;
    const Tensor log_s = spread(network.sites()[site], x).log();
    const double low = log_s.min().item<double>(), high = log_s.max().item<double>();
    EXPECT_LT(carried.low, low) << site;
    EXPECT_GT(carried.high, high) << site;
    EXPECT_LT(carried.high - carried.low, 1.5 * (high - low) + 0.2) << site;
  });
}

TEST(ChannelCarrier, IsChosenByOtherPicturesWhereTheFittedOnesTellOfNoise) {
  const at::NoGradGuard no_grad;
  // Few pictures: the damping asked for is far too weak.
  const auto error = [](const Tensor& choose) {
    Network network = calm_vit();
    CarrierOptions options;
    options.damping = 1e-6;
    let_channel_carry_scale(network, {textured_images(4, 5), choose}, options, silent_monitor());
    double sum = 0;
    network.forward(textured_images(64, 7), [&](size_t site, const Tensor& x, const Tensor&) {
      if (site > 0) sum += distance(x.select(-1, 0), spread(network.sites()[site], x).log());
    });
    return sum;
  };
  EXPECT_LT(error(textured_images(64, 6)), error({}));
}

TEST(ChannelCarrier, LeavesNoFunctionInPlaceOfANorm) {
  const at::NoGradGuard no_grad;
  const Network& network = carrying().network;
  network.forward(textured_images(2, 3), [&](size_t site, const Tensor& x, const Tensor& y) {
    EXPECT_TRUE(at::allclose(y, normalise(network.sites()[site], x))) << site;
  });
}

/// Asks to stop as soon as there is progress.
class StopMidway : public Monitor {
 public:
  void progress(const std::string&, int64_t, int64_t, const std::string&, const std::string&) override {
    stopped_ = true;
  }
  bool stopped() const override { return stopped_; }

 private:
  bool stopped_ = false;
};

TEST(ChannelCarrier, LeavesNormsAtTheSitesWhereItIsInterrupted) {
  const at::NoGradGuard no_grad;
  for (const auto& let_carry : {let_channel_carry_scale, let_mean_carry_scale}) {
    Network network = calm_vit();
    StopMidway monitor;
    EXPECT_THROW(let_carry(network, {textured_images(8, 1), {}}, {}, monitor), Interrupted);
    network.forward(textured_images(2, 3), [&](size_t site, const Tensor& x, const Tensor& y) {
      EXPECT_TRUE(at::allclose(y, normalise(network.sites()[site], x))) << site;
    });
  }
}

TEST(ChannelCarrier, RefusesCostsOfAnotherNumberOfSites) {
  Network network = testing::small_vit();
  CarrierOptions options;
  options.costs.resize(2);
  try {
    let_channel_carry_scale(network, {textured_images(2, 1), {}}, options, silent_monitor());
    ADD_FAILURE();
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "carrier: costs is 2, expected one for each site, or none");
  }
}

TEST(FirstCarrier, IsAnExactLogarithmOfItsSquares) {
  const at::NoGradGuard no_grad;
  Tensors tensors;
  tensors["carrier.projections"] = at::tensor({0.0F, 1.0F, 1.0F, 0.0F, 0.0F, 2.0F}).reshape({2, 3});
  tensors["carrier.scales"] = at::tensor({0.5F, 0.25F});
  tensors["carrier.numbers"] = at::tensor({1.0F, -100.0F});
  const Tensor x = at::tensor({0.5F, 3.0F, -1.0F, 0.0F, 1.0F, 1.0F}).reshape({1, 2, 3});
  const Tensor out = with_first_carrier(tensors, x);
  EXPECT_NEAR(out[0][0][0].item<double>(), 0.5 + std::log(1 + 0.5 * 4 + 0.25 * 4) / 2, 1e-6);
  EXPECT_NEAR(out[0][1][0].item<double>(), std::log(1e-6) / 2, 1e-4);
  EXPECT_TRUE(at::equal(out.slice(-1, 1), x.slice(-1, 1)));
}

TEST(FirstCarrier, RefusesATensorThatIsMissingOrOfAWrongShapeInOneLine) {
  const auto refusal = [](const std::function<void(Tensors&)>& damage) -> std::string {
    Tensors carrier = carrying().network.tensors();
    carrier = take_first_carrier(carrier);
    EXPECT_EQ(carrier.size(), 3U);
    damage(carrier);
    Network network = carrying().network;
    try {
      set_first_carrier(network, carrier);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal([](Tensors&) {}), "");
  EXPECT_EQ(refusal([](Tensors& t) { t.erase("carrier.projections"); }),
            "tensor \"carrier.projections\" is missing");
  EXPECT_EQ(refusal([](Tensors& t) { t.erase("carrier.numbers"); }), "tensor \"carrier.numbers\" is missing");
  EXPECT_EQ(refusal([](Tensors& t) { t["carrier.scales"] = at::zeros({7}); }),
            "tensor \"carrier.scales\" has shape [7], expected [4]");
  EXPECT_EQ(refusal([](Tensors& t) {
              t["carrier.projections"] = at::zeros({4, 9});
            }),
            "tensor \"carrier.projections\" has shape [4, 9], expected [4, 16]");
  EXPECT_EQ(refusal([](Tensors& t) { t["carrier.numbers"] = at::full({17}, NAN); }),
            "tensor \"carrier.numbers\" holds a value that is not finite");
}

TEST(FirstCarrier, IsThereWhereAChannelTellsTheSpreadAtTheFirstSiteAndOnlyThere) {
  const auto refusal = [](Network network, const Tensors& carrier) -> std::string {
    try {
      set_first_carrier(network, carrier);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  };
  Tensors tensors = carrying().network.tensors();
  const Tensors carrier = take_first_carrier(tensors);
  EXPECT_EQ(refusal(carrying().network, {}), "tensor \"carrier.projections\" is missing");
  EXPECT_EQ(refusal(calm_vit(), carrier),
            "tensor \"carrier.numbers\": no channel carries the spread at norm site \"blocks.0.norm1\"");
  EXPECT_EQ(refusal(calm_vit(), {}), "");
  Network freed = calm_vit();
  free_channel(freed);
  EXPECT_EQ(refusal(freed, {}), "");
}

TEST(RSlopes, MoveRByWhatEntersTheWriterAndNothingElse) {
  const at::NoGradGuard no_grad;
  Network network = carrying().network;
  const Tensor x = network.pass(0, network.enter(textured_images(3, 3)));
  const Step step = network.step(1, x);
  const Tensor before = network.write(1, step), slopes = r_slopes(network, 2);
  const Tensor moved = at::linspace(-1, 1, slopes.numel());
  set_r_slopes(network, 2, slopes + moved);
  const Tensor after = network.write(1, step);
  EXPECT_TRUE(at::allclose((after - before).select(-1, 0), step.branch.matmul(moved), 1e-3, 1e-4));
  EXPECT_TRUE(at::equal(after.slice(-1, 1), before.slice(-1, 1)));
  EXPECT_TRUE(at::equal(r_slopes(carrying().network, 2), slopes)) << "a copy of the network keeps its own";
}

TEST(RSlopes, OfTheFirstSiteAreTheScalesAndThenTheNumbers) {
  Network network = carrying().network;
  const Tensor scales = network.tensors().at(kFirstScales).clone();
  const Tensor numbers = network.tensors().at(kFirstNumbers).clone();
  EXPECT_TRUE(at::equal(r_slopes(network, 0), at::cat({scales, numbers})));
  set_r_slopes(network, 0, at::cat({scales, numbers + 1}));
  EXPECT_TRUE(at::equal(network.tensors().at(kFirstScales), scales));
  EXPECT_TRUE(at::equal(network.tensors().at(kFirstNumbers), numbers + 1));
}

TEST(RSlopes, AreNoneWhereNoChannelTellsR) {
  Network freed = calm_vit();
  EXPECT_FALSE(r_slopes(freed, 1).defined());
  free_channel(freed);
  for (const size_t site : {0, 1}) EXPECT_FALSE(r_slopes(freed, site).defined()) << site;
}

TEST(Told, TakesTheNearerEndBeyondTheRange) {
  const Carried carried{.channel = true, .low = -1, .high = 2};
  const Tensor x = at::tensor({-3.0F, 9.0F, 0.5F, 9.0F, 4.0F, 9.0F}).reshape({3, 2});
  EXPECT_TRUE(at::equal(told(carried, x), at::tensor({-1.0F, 0.5F, 2.0F}).unsqueeze(1)));
  EXPECT_TRUE(at::isnan(told(carried, at::full({1, 2}, NAN))).all().item<bool>()) << "no end is nearer";
  const Carried seen = with_range(carried, at::tensor({0.0F, 3.0F}));
  EXPECT_NEAR(seen.low, -0.3, 1e-6);
  EXPECT_NEAR(seen.high, 3.3, 1e-6);
}

}  // namespace
}  // namespace normgraft
