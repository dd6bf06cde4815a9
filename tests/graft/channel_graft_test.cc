#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "normgraft/core/error.h"
#include "normgraft/graft/graft.h"
#include "normgraft/network/carrier.h"
#include "normgraft/network/first_carrier.h"
#include "normgraft/network/safetensors.h"
#include "support/carrying_model.h"
#include "support/input_error.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::carrying_vit;
using testing::input_error;
using testing::small_vit;
using testing::TemporaryFolder;
using testing::uneven_images;

constexpr const char* kFunction = "x*clip(1.25-r+0.5*r*r, 0.1, 4)";

Graft channel_graft() {
  Graft graft(carrying_vit());
  for (const Site& site : graft.network().sites())
    graft.set_function(site.name, Expression::parse(kFunction));
  return graft;
}

TEST(ChannelGraft, RefusesAFunctionThatReadsRWhereNoChannelTellsItAndTheReverse) {
  Graft plain(small_vit());
  EXPECT_EQ(input_error([&] { plain.set_function("norm", Expression::parse("x*r")); }),
            "norm site \"norm\": x*r reads r, which the stream does not carry there, expected a function of "
            "x alone");
  Graft carrying(carrying_vit());
  EXPECT_EQ(
      input_error([&] { carrying.set_function("norm", Expression::parse("tanh(x)")); }),
      "norm site \"norm\": tanh(x) does not read r, which the stream carries there, expected a function of x "
      "and r");
  EXPECT_TRUE(plain.functions().empty());
  EXPECT_TRUE(carrying.functions().empty());
}

TEST(ChannelGraft, TakesAConstantTimesXToo) {
  const at::NoGradGuard no_grad;
  Graft graft(carrying_vit());
  const Tensor x = at::randn({2, 17, 16});
  for (const char* text : {"x*1.5", "1.5*x"}) {
    graft.set_function("norm", Expression::parse(text));
    EXPECT_TRUE(at::allclose(graft.value(4, x, graft.constants(4)), 1.5 * x)) << text;
  }
  for (const char* text : {"x*x", "x*tanh(x)", "(x+1)*2", "2*(x+1)", "x*2+1", "3"})
    EXPECT_NE(input_error([&] { graft.set_function("norm", Expression::parse(text)); }), "") << text;
}

/// What kFunction is, in double.
Tensor by_hand(const Carried& carried, const Tensor& x) {
  const Tensor r = x.to(at::kDouble).slice(-1, 0, 1).clamp(carried.low, carried.high);
  return x.to(at::kDouble) * (1.25 - r + 0.5 * r * r).clamp(0.1, 4);
}

TEST(ChannelGraft, ComputesXTimesGOfRHeldInItsRange) {
  const at::NoGradGuard no_grad;
  const Graft graft = channel_graft();
  Tensor x = at::randn({3, 17, 16});
  x.select(-1, 0).mul_(20);  // most r are beyond the range
  for (size_t site = 0; site < graft.network().sites().size(); ++site) {
    const Carried& carried = graft.network().sites()[site].carried;
    const Tensor y = graft.value(site, x, graft.constants(site));
    EXPECT_TRUE(at::allclose(y.to(at::kDouble), by_hand(carried, x), 1e-4, 1e-5)) << site;
  }
}

TEST(ChannelGraft, ComputesTheSameFunctionsOnItsWay) {
  const at::NoGradGuard no_grad;
  const Graft graft = channel_graft();
  size_t seen = 0;
  graft.forward(uneven_images(4), [&](size_t site, const Tensor& x, const Tensor& y) {
    ++seen;
    const Carried& carried = graft.network().sites()[site].carried;
    EXPECT_TRUE(at::allclose(y.to(at::kDouble), by_hand(carried, x), 1e-4, 1e-5)) << site;
    EXPECT_FALSE(graft.drops_mean(site));
  });
  EXPECT_EQ(seen, graft.network().sites().size());
}

TEST(ChannelGraft, NeedsNoSumOverChannels) {
  const at::NoGradGuard no_grad;
  const Graft graft = channel_graft();
  const Tensor x = at::randn({2, 17, 16});
  for (size_t site = 0; site < graft.network().sites().size(); ++site) {
    const Tensor y = graft.value(site, x, graft.constants(site));
    for (const int64_t changed : {1, 9}) {
      Tensor other = x.clone();
      other.select(-1, changed).add_(3);
      const Tensor moved = graft.value(site, other, graft.constants(site)) != y;
      EXPECT_TRUE(moved.select(-1, changed).all().item<bool>()) << site;
      EXPECT_EQ(moved.sum().item<int64_t>(), 2 * 17) << site << " " << changed;
    }
  }
}

TEST(ChannelGraft, FollowsRInAllChannels) {
  const at::NoGradGuard no_grad;
  const Graft graft = channel_graft();
  Tensor x = at::ones({1, 1, 16});
  x[0][0][0] = graft.network().sites()[1].carried.low;
  const Tensor low = graft.value(1, x, graft.constants(1));
  x[0][0][0] = graft.network().sites()[1].carried.high;
  const Tensor high = graft.value(1, x, graft.constants(1));
  EXPECT_TRUE((low != high).all().item<bool>());
}

TEST(ChannelGraft, SavesAndLoadsTheSameNetwork) {
  const at::NoGradGuard no_grad;
  const TemporaryFolder folder;
  const Graft graft = channel_graft();
  save_graft(folder / "graft", graft);
  const Graft loaded = load_graft(folder / "graft", {}, silent_monitor());
  EXPECT_EQ(loaded.functions(), graft.functions());
  EXPECT_TRUE(at::equal(loaded.forward(uneven_images(4)), graft.forward(uneven_images(4))));
}

TEST(ChannelGraft, GivesConstantsBackThatNoProofHoldsForWithinTheRangeOfR) {
  Graft graft(carrying_vit());
  const std::string site = graft.network().sites()[1].name;
  const Carried& carried = graft.network().sites()[1].carried;
  const Expression f = Expression::parse("x/(1000+r)");
  graft.set_function(site, f);
  graft.constants(1).fill_(2000);
  EXPECT_TRUE(graft.settle_constants().empty());
  EXPECT_EQ(graft.functions().at(site), Expression::parse("x/(2000+r)"));
  graft.constants(1).fill_(-(carried.low + carried.high) / 2);  // a pole within the range
  EXPECT_EQ(graft.settle_constants(), std::vector<std::string>{site});
}

TEST(CarryingModel, ComputesTheSameOnceSavedAndLoaded) {
  const at::NoGradGuard no_grad;
  const TemporaryFolder folder;
  const Network network = carrying_vit();
  save_model(folder / "model", network);
  const Network loaded = load_model(folder / "model", {}, silent_monitor());
  for (size_t site = 0; site < network.sites().size(); ++site)
    EXPECT_EQ(loaded.sites()[site].carried, network.sites()[site].carried) << site;
  EXPECT_TRUE(at::equal(loaded.enter(uneven_images(4)), network.enter(uneven_images(4))));
  EXPECT_TRUE(at::equal(loaded.forward(uneven_images(4)), network.forward(uneven_images(4))));
}

TEST(CarryingModel, IsRefusedInOneLineWithoutOrWithAWrongTensorOfItsCarrier) {
  const TemporaryFolder folder;
  save_model(folder / "model", carrying_vit());
  const Path file = folder / "model" / "model.safetensors";
  const Tensors whole = read_safetensors(file);
  const auto complaint = [&](const std::function<void(Tensors&)>& damage) {
    Tensors tensors = whole;
    damage(tensors);
    write_safetensors(file, tensors);
    return input_error([&] { load_model(folder / "model", {}, silent_monitor()); });
  };
  for (const std::string name : {"carrier.projections", "carrier.scales", "carrier.numbers"}) {
    EXPECT_EQ(complaint([&](Tensors& t) { t.erase(name); }), "tensor \"" + name + "\" is missing");
  }
  EXPECT_EQ(complaint([](Tensors& t) { take_first_carrier(t); }),
            "tensor \"carrier.projections\" is missing");
  EXPECT_EQ(complaint([](Tensors& t) { t["carrier.numbers"] = at::zeros({3}); }),
            "tensor \"carrier.numbers\" has shape [3], expected [17]");
}

TEST(CarryingModel, IsRefusedWhereTheRangeOfRIsNone) {
  const TemporaryFolder folder;
  save_model(folder / "model", carrying_vit());
  const Path file = folder / "model" / "config.json";
  Json config = read_json(file, "config");
  config["stream"]["sites"]["blocks.1.norm2"]["channel"] = {2, 1};
  write_json(file, config);
  EXPECT_NE(input_error([&] { load_model(folder / "model", {}, silent_monitor()); }).find("blocks.1.norm2"),
            std::string::npos);
}

}  // namespace
}  // namespace normgraft
