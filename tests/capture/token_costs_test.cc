#include "normgraft/capture/token_costs.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "normgraft/capture/capture.h"
#include "normgraft/capture/pairs.h"
#include "normgraft/data/loader.h"
#include "normgraft/network/batches.h"
#include "normgraft/network/stream.h"
#include "support/small_model.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::small_vit;
using testing::TemporaryFolder;

Tensor some_images(int64_t count) {
  at::manual_seed(8);
  return at::randn({count, 3, 32, 32});
}

/// The expectation of (v . e)^2 over probes v, for errors e of the logits at each picture: e' (diag(p) - p
/// p') e, in double, mean over pictures.
double fisher(const Tensor& logits, const Tensor& error) {
  const Tensor p = logits.to(at::kDouble).softmax(1), e = error.to(at::kDouble);
  return ((p * e * e).sum(1) - (p * e).sum(1).square()).mean().item<double>();
}

using Change = std::function<Tensor(const Tensor& value, double step)>;

/// Logits behind a site whose x (or y) is changed by a small step, by central differences.
Tensor logits_by(const Network& network, size_t site, const Tensor& images, bool of_y, const Change& change) {
  const auto walk = [&](double step) {
    Network changed = network;
    if (of_y) {
      changed.set_normalizer(
          site, [&, step](const Tensor& x) { return change(normalise(network.sites()[site], x), step); });
    }
    Tensor x = changed.enter(images);
    const size_t last = network.sites().size() - 1;
    for (size_t i = 0; i <= last; ++i) {
      if (i == site && !of_y) x = change(x, step);
      if (i < last) x = changed.pass(i, x);
    }
    return changed.leave(x);
  };
  constexpr double kStep = 2e-3;
  return (walk(kStep) - walk(-kStep)) / (2 * kStep);
}

void expect_near(double found, double expected, double part, const std::string& what) {
  EXPECT_NEAR(found, expected, part * expected + 1e-7) << what;
}

TEST(TokenCosts, OfTheScaleAreWhatARelativeErrorOfAnyOneTokenCosts) {
  const at::NoGradGuard no_grad;
  const Network vit = small_vit();
  const Tensor images = some_images(150);  // three probes each: the mean over many comes near its expectation
  const auto costs = token_costs(vit, images, 1);
  const Tensor logits = vit.forward(images);
  for (const size_t site : {size_t{1}, size_t{2}, size_t{4}}) {
    double prefix = 0, patches = 0;
    for (int64_t token = 0; token < 17; ++token) {
      const auto stretch = [&](const Tensor& y, double step) {
        Tensor all = at::ones({y.size(1), 1});
        if (token < y.size(1)) all[token] += step;
        return y * all;
      };
      (token == 0 ? prefix : patches) += fisher(logits, logits_by(vit, site, images, true, stretch));
    }
    expect_near(costs[site].scale.prefix, prefix, 0.2, "prefix at " + vit.sites()[site].name);
    expect_near(costs[site].scale.patches, patches, 0.2, "patches at " + vit.sites()[site].name);
  }
}

TEST(TokenCosts, OfTheStreamAreWhatErrorsOfXCost) {
  const at::NoGradGuard no_grad;
  const Network vit = small_vit();
  const Tensor images = some_images(150);
  const auto costs = token_costs(vit, images, 1);
  const Tensor logits = vit.forward(images);
  for (const size_t site : {size_t{1}, size_t{3}}) {
    // Independent signs at all channels of a kind of token: their expectation is the sum over single
    // channels.
    const auto kind = [&](int64_t from, int64_t to) {
      double sum = 0;
      constexpr int kDraws = 12;
      for (int draw = 0; draw < kDraws; ++draw) {
        at::manual_seed(static_cast<uint64_t>(draw));
        Tensor signs = at::zeros({images.size(0), 17, 16});
        signs.slice(1, from, to) = at::randint(0, 2, {images.size(0), to - from, 16}) * 2 - 1;
        const auto shift = [&](const Tensor& x, double step) { return x + step * signs; };
        sum += fisher(logits, logits_by(vit, site, images, false, shift)) / kDraws;
      }
      return sum;
    };
    expect_near(costs[site].stream.prefix, kind(0, 1), 0.25, "prefix at " + vit.sites()[site].name);
    expect_near(costs[site].stream.patches, kind(1, 17), 0.25, "patches at " + vit.sites()[site].name);
  }
}

TEST(TokenCosts, AreNoneWhereNoHeadReadsAndNotGivenForANetworkWithoutClasses) {
  const at::NoGradGuard no_grad;
  const auto costs = token_costs(small_vit(), some_images(4), 1);
  EXPECT_EQ(costs.size(), 5U);
  EXPECT_EQ(costs.back().scale.patches, 0);
  EXPECT_GT(costs.back().scale.prefix, 0);
  EXPECT_EQ(costs.front().stream.patches, costs.front().scale.patches);
  EXPECT_TRUE(token_costs(testing::small_vit_without_classes(), some_images(4), 1).empty());
}

/// A small network with a freed channel, and its pictures.
class ChannelPairs : public ::testing::Test {
 protected:
  ChannelPairs() {
    free_channel(vit_);
    testing::write_small_pictures(folder_ / "pictures", 3, 4);
    pictures_ = testing::pictures_in(folder_ / "pictures");
  }
  Loader loader() const {
    LoaderOptions options;
    options.batch = 12;
    const Preprocessing& p = vit_.preprocessing();
    return Loader(pictures_, evaluation_transform(p), p.height, p.width, options, silent_monitor());
  }

  TemporaryFolder folder_;
  Network vit_ = small_vit();
  std::vector<Picture> pictures_;
};

TEST_F(ChannelPairs, AreTheLogarithmOfTheSpreadAndItsReciprocalOnceForEachToken) {
  const at::NoGradGuard no_grad;
  Loader captured = loader(), again = loader();
  const auto fold = [](int64_t position) { return fit_fold(position); };
  const Mappings mappings =
      capture(vit_, captured, 12, fold, {.bins = 64, .pairs = {.weights = Weights::kNone}}, silent_monitor());
  const auto batch = again.next();
  vit_.forward(images_tensor(*batch, vit_.preprocessing()), [&](size_t i, const Tensor& x, const Tensor&) {
    const SiteMapping& site = mappings.sites[i];
    EXPECT_TRUE(site.carried.channel);
    EXPECT_EQ(site.channels, 16);
    Moments all;
    for (const Moments& bin : site.of(Measure::kCount, Part::kAll)) all.merge(bin);
    const Tensor own = x.slice(-1, 1).to(at::kDouble);
    const Tensor s = (own.square().sum(-1) / 16 + 1e-6).sqrt().flatten();
    EXPECT_EQ(all.weight, 12 * 17) << site.name;
    EXPECT_EQ(all.weight, static_cast<double>(site.pictures * site.pairs()));
    EXPECT_NEAR(all.x, s.log().mean().item<double>(), 1e-4) << site.name;
    EXPECT_NEAR(all.y, s.reciprocal().mean().item<double>(), 1e-4) << site.name;
    EXPECT_NEAR(site.range().low, s.log().min().item<double>(), 1e-4) << site.name;
    // A function of all pairs without error: exp(-x).
    const Samples samples = make_samples(site, Measure::kCount, Part::kAll);
    EXPECT_GT(evaluate_fit([](double r) { return std::exp(-r); }, samples).r2, 0.999) << site.name;
  });
}

TEST_F(ChannelPairs, WeighWhatAnErrorOfGAtATokenCosts) {
  Loader pairs = loader(), again = loader();
  const at::NoGradGuard no_grad;
  std::vector<double> by_site(vit_.sites().size());
  const auto receive = [&](size_t site, const SitePairs& found) {
    EXPECT_EQ(found.token_weight.sizes(), found.x.sizes().slice(0, 2));
    by_site[site] += found.token_weight.sum().item<double>() / 12;
  };
  for_each_pairs(vit_, pairs, 12, {.probes = 200}, "test", receive, silent_monitor());
  const auto batch = again.next();
  const Tensor images = images_tensor(*batch, vit_.preprocessing());
  const Tensor logits = vit_.forward(images);
  for (const size_t site : {size_t{0}, size_t{3}}) {
    double cost = 0;
    for (int64_t token = 0; token < 17; ++token) {
      // y + step x at one token: an error of g.
      Network changed = vit_;
      const auto walk = [&](double step) {
        changed.set_normalizer(site, [&, step](const Tensor& x) {
          Tensor at_token = at::zeros({x.size(1), 1});
          at_token[token] = step;
          return normalise(vit_.sites()[site], x) + at_token * without_carrier(x);
        });
        return changed.forward(images);
      };
      cost += fisher(logits, (walk(2e-3) - walk(-2e-3)) / 4e-3);
    }
    expect_near(by_site[site], cost, 0.1, vit_.sites()[site].name);
  }
}

}  // namespace
}  // namespace normgraft
