#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <map>

#include "normgraft/graft/graft.h"
#include "normgraft/network/carrier.h"
#include "normgraft/network/first_carrier.h"
#include "normgraft/network/r_slopes.h"
#include "normgraft/realign/realign.h"
#include "support/carrying_model.h"
#include "support/temporary_folder.h"
#include "trained_slopes.h"

// Training of what tells r.

namespace normgraft {
namespace {

using testing::carrying_vit;
using testing::small_vit;
using testing::TemporaryFolder;
using testing::uneven_images;

Graft graft_of(const Network& network) {
  Graft graft(network);
  for (const Site& site : network.sites())
    graft.set_function(site.name, Expression::parse("x*(1.1-r+0.4*r*r)"));
  return graft;
}

TEST(TrainedSlopes, HaveTheGradientOfEachChange) {
  const Tensor images = uneven_images(2);
  Graft graft = graft_of(carrying_vit());
  auto all = trained_slopes(graft.network(), [](size_t) { return true; });
  ASSERT_EQ(all.size(), 5U);
  at::manual_seed(9);
  const Tensor v = at::randn({2, 3});
  const auto value = [&] {
    const at::NoGradGuard no_grad;
    return (v * graft.forward(images)).sum().item<double>();
  };
  for (TrainedSlopes& slopes : all) {
    slopes.place();
    const at::AutoGradMode with_grad(true);
    const auto by = torch::autograd::grad({(v * graft.forward(images)).sum()}, slopes.leaves());
    const Tensor gradient = slopes.gradient(by);
    const at::NoGradGuard no_grad;
    Tensor by_hand = at::zeros_like(gradient);
    constexpr double kStep = 0.005;
    for (int64_t j = 0; j < gradient.numel(); ++j) {
      double sides[2];
      for (const int side : {0, 1}) {
        slopes.change()[j] = side == 0 ? kStep : -kStep;
        slopes.place();
        sides[side] = value();
      }
      slopes.change()[j] = 0;
      by_hand[j] = (sides[0] - sides[1]) / (2 * kStep);
    }
    slopes.place();
    EXPECT_LT((gradient - by_hand).norm().item<double>(), 0.02 * by_hand.norm().item<double>());
  }
}

TEST(TrainedSlopes, AreThoseOfTheSitesWantedThatCarryAChannel) {
  Network carrying = carrying_vit(), plain = small_vit();
  EXPECT_EQ(trained_slopes(carrying, [](size_t site) { return site == 3; }).size(), 1U);
  EXPECT_TRUE(trained_slopes(plain, [](size_t) { return true; }).empty());
}

class ConstantsMode : public ::testing::Test {
 protected:
  ConstantsMode() {
    testing::write_small_pictures(folder_ / "pictures", 3, 12);
    split_ = split_pictures(testing::pictures_in(folder_ / "pictures"));
    options_.mode = RealignMode::kConstants;
    options_.epochs = 3;
    options_.batch = 8;
    options_.rate = 1e-2;
  }

  /// The student after all epochs.
  Graft trained(const std::string& name, Monitor& monitor = silent_monitor()) {
    Graft student = graft_of(teacher_);
    realign(student, &teacher_, split_, options_, folder_ / name, false, monitor);
    return load_graft(folder_ / name / "last", {}, silent_monitor());
  }

  TemporaryFolder folder_;
  PictureSplit split_;
  RealignOptions options_;
  const Network teacher_ = carrying_vit();
};

/// How far r has been moved, over all sites.
double moved(const Network& from, const Network& to) {
  double sum = 0;
  for (size_t site = 0; site < from.sites().size(); ++site)
    sum += (r_slopes(to, site) - r_slopes(from, site)).square().sum().item<double>();
  return sum;
}

TEST_F(ConstantsMode, MovesWhatTellsRAndNoOtherRow) {
  options_.weight_decay = 3;
  const Graft last = trained("out");
  const Network& network = last.network();
  for (const Site& site : network.sites()) {
    if (!site.writer) continue;
    const std::string& name = site.writer->linear.weight;
    const Tensor &own = network.tensors().at(name), &first = teacher_.tensors().at(name);
    EXPECT_TRUE((own[0] != first[0]).any().item<bool>()) << name;
    EXPECT_TRUE(at::equal(own.slice(0, 1), first.slice(0, 1))) << name;
  }
  EXPECT_FALSE(at::equal(network.tensors().at(kFirstScales), teacher_.tensors().at(kFirstScales)));
  EXPECT_FALSE(at::equal(network.tensors().at(kFirstNumbers), teacher_.tensors().at(kFirstNumbers)));
  EXPECT_TRUE(
      at::equal(network.tensors().at("carrier.projections"), teacher_.tensors().at("carrier.projections")));
}

TEST_F(ConstantsMode, MovesWhatTellsRAsFastAsAskedFor) {
  const double fast = moved(teacher_, trained("fast").network());
  options_.r_rate = 0.1;
  const double slow = moved(teacher_, trained("slow").network());
  options_.r_rate = 0;
  EXPECT_LT(slow, 0.1 * fast);
  EXPECT_GT(slow, 0);
  EXPECT_EQ(moved(teacher_, trained("still").network()), 0);
}

TEST_F(ConstantsMode, DrawsWhatTellsRBackToItsStart) {
  const double freely = moved(teacher_, trained("free").network());
  options_.weight_decay = 90;
  EXPECT_LT(moved(teacher_, trained("drawn").network()), 0.5 * freely);
}

/// Asks to stop in the second epoch.
class StopInSecond : public Monitor {
 public:
  void progress(const std::string& stage, int64_t, int64_t, const std::string&, const std::string&) override {
    stopped_ = stopped_ || stage.find("epoch 2 of") != std::string::npos;
  }
  bool stopped() const override { return stopped_; }

 private:
  bool stopped_ = false;
};

TEST_F(ConstantsMode, StoppedAndRunAgainEndsWithTheSameBytes) {
  options_.weight_decay = 3;
  trained("whole");
  StopInSecond monitor;
  EXPECT_THROW(trained("stopped", monitor), Interrupted);
  trained("stopped");
  for (const char* file : {"model.safetensors", "functions.json", "last/model.safetensors"}) {
    EXPECT_EQ(read_file(folder_ / "whole" / file, "file"), read_file(folder_ / "stopped" / file, "file"))
        << file;
  }
}

}  // namespace
}  // namespace normgraft
