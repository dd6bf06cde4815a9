#include "normgraft/eval/r_range.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "normgraft/data/loader.h"
#include "normgraft/eval/evaluate.h"
#include "normgraft/graft/graft.h"
#include "support/carrying_model.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::small_vit;
using testing::uneven_images;

/// A graft whose channel tells r, with functions at all sites but the last, and a share of the range of r.
Graft channel_graft(double share = 1) {
  const at::NoGradGuard no_grad;
  Network network = testing::carrying_vit();
  for (size_t i = 0; i < network.sites().size(); ++i) {
    Carried carried = network.sites()[i].carried;
    const double away = (1 - share) / 2 * (carried.high - carried.low);
    carried.low += away;
    carried.high -= away;
    network.set_carried(i, carried);
  }
  Graft graft(std::move(network));
  for (size_t i = 0; i + 1 < graft.network().sites().size(); ++i)
    graft.set_function(graft.network().sites()[i].name, Expression::parse("x*clip(1-r+0.4*r*r, 0.05, 8)"));
  return graft;
}

/// One token after another, from what an observer sees.
RRange counted_by_hand(const Graft& graft, const Tensor& images) {
  RRange range;
  graft.forward(images, [&](size_t i, const Tensor& x, const Tensor&) {
    if (!graft.has_function(i)) return;
    const Site& site = graft.network().sites()[i];
    const double width = site.carried.high - site.carried.low;
    const double middle = site.carried.low + width / 2;
    const Tensor r = x.select(-1, 0).contiguous().flatten();
    for (int64_t n = 0; n < r.numel(); ++n) {
      const double value = r[n].item<double>();
      RCount& count = range[site.name];
      ++count.tokens;
      if (!(value >= site.carried.low && value <= site.carried.high)) ++count.beyond;
      if (!(value >= middle - 2 * width && value <= middle + 2 * width)) ++count.fourfold;
    }
  });
  return range;
}

int64_t beyond(const RRange& range, int64_t RCount::*which) {
  int64_t sum = 0;
  for (const auto& [site, count] : range) sum += count.*which;
  return sum;
}

TEST(RRange, CountsWhatEachTokensRDoesAtTheSitesWithAFunction) {
  const at::NoGradGuard no_grad;
  const Graft graft = channel_graft();
  Network network = graft.network();
  RWatch watch(network);
  for (const double contrast : {1.0, 30.0}) {
    const Tensor images = uneven_images(7) * contrast;
    const Tensor logits = network.forward(images);
    EXPECT_TRUE(at::equal(logits, graft.forward(images))) << "a count changes nothing";
    const RRange found = watch.take(), expected = counted_by_hand(graft, images);
    EXPECT_EQ(found.size(), 4U);
    EXPECT_EQ(found, expected);
    EXPECT_EQ(beyond(found, &RCount::tokens), 4 * 7 * 17);
  }
  const RRange far = counted_by_hand(graft, uneven_images(7) * 30);
  ASSERT_GT(beyond(far, &RCount::beyond), beyond(far, &RCount::fourfold));
  EXPECT_EQ(beyond(watch.take(), &RCount::tokens), 0) << "each count is told once";
}

TEST(RRange, CountsAnRFourfoldBeyondWhereAStreamIsFarFromAnythingCaptured) {
  const at::NoGradGuard no_grad;
  Graft graft = channel_graft();
  Tensor& bias = graft.network().tensors().at(graft.network().sites()[2].writer->linear.bias);
  bias = bias.clone();
  const Carried carried = graft.network().sites()[2].carried;
  for (const double r : {2.5 * (carried.high - carried.low), static_cast<double>(NAN)}) {
    bias[0] = r;
    Network network = graft.network();
    RWatch watch(network);
    network.forward(uneven_images(3));
    const RCount count = watch.take().at(graft.network().sites()[2].name);
    EXPECT_GT(count.fourfold, 3 * 17 / 2) << r;
    EXPECT_GE(count.beyond, count.fourfold);
  }
}

TEST(RRange, HoldsGWithinItsValuesOnTheRangeHoweverFarRIs) {
  const at::NoGradGuard no_grad;
  const Graft graft = channel_graft();
  const Carried carried = graft.network().sites()[1].carried;
  Tensor x = at::ones({1, 2, 16});
  for (const double factor : {1e3, 1e30, static_cast<double>(INFINITY)}) {
    x.select(-1, 0).fill_(factor);
    const Tensor far = graft.value(1, x, graft.constants(1)).select(-1, 1);
    x.select(-1, 0).fill_(carried.high);
    EXPECT_TRUE(at::equal(far, graft.value(1, x, graft.constants(1)).select(-1, 1))) << factor;
  }
}

Evaluation evaluated(const Graft& graft, const Path& pictures, const std::vector<Condition>& conditions) {
  const Preprocessing& p = graft.network().preprocessing();
  Loader loader(testing::pictures_in(pictures), evaluation_transform(p), p.height, p.width, {},
                silent_monitor());
  return evaluate(graft, nullptr, loader, 6, conditions, silent_monitor());
}

TEST(RRange, IsPartOfAJudgementUnderEachCondition) {
  const testing::TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 2);
  const Evaluation found = evaluated(channel_graft(0.1), folder / "pictures", {Condition::kContrast});
  const Json json = to_json(found);
  const Json& plain = json.at("r_out_of_range");
  EXPECT_EQ(plain.at("tokens"), 3 * 6 * 17 + 6 * 17);
  EXPECT_EQ(plain.at("beyond"), beyond(found.r_range, &RCount::beyond));
  EXPECT_EQ(plain.at("beyond_fourfold"), beyond(found.r_range, &RCount::fourfold));
  ASSERT_GT(plain.at("beyond"), 0);
  int64_t listed = 0;
  for (const auto& [site, count] : plain.at("sites").items()) {
    EXPECT_GT(count.at("beyond"), 0) << site;
    listed += count.at("beyond").get<int64_t>();
  }
  EXPECT_EQ(listed, plain.at("beyond"));
  const Json& contrast = json.at("under").at("contrast").at("r_out_of_range");
  EXPECT_EQ(contrast.at("tokens"), plain.at("tokens"));
  EXPECT_NE(contrast, plain);
}

TEST(RRange, IsLeftOutWhereNoFunctionReadsAChannel) {
  const testing::TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 2);
  Graft plain(small_vit());
  plain.set_function("norm", Expression::parse("tanh(x)"));
  EXPECT_FALSE(to_json(evaluated(plain, folder / "pictures", {})).contains("r_out_of_range"));
}

TEST(RRange, IsALineThatNamesTheSiteWithMost) {
  const RRange range{{"norm", {100, 3, 1}}, {"blocks.0.norm1", {50, 1, 0}}};
  EXPECT_EQ(to_string(range),
            "r out of its range: 4 of 150 tokens, 1 of them beyond it fourfold; most at norm: 3");
}

}  // namespace
}  // namespace normgraft
