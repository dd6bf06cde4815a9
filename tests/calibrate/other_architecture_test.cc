#include "network/other_architecture.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "normgraft/calibrate/sequential.h"
#include "normgraft/capture/capture.h"
#include "normgraft/data/loader.h"
#include "normgraft/data/split.h"
#include "normgraft/eval/evaluate.h"
#include "normgraft/mapping/baselines.h"
#include "support/small_model.h"
#include "support/temporary_folder.h"

// A network that none of these rooms has heard of, from its mappings to a calibrated graft.

namespace normgraft {
namespace {

using testing::post_norm;
using testing::PostNorm;
using testing::TemporaryFolder;

Loader loader_for(const Network& network, const std::vector<Picture>& pictures) {
  const Preprocessing& p = network.preprocessing();
  return Loader(pictures, evaluation_transform(p), p.height, p.width, {}, silent_monitor());
}

/// The closed form of that name, fitted to what a site did.
Expression fitted(const SiteMapping& site, const std::string& name) {
  const auto baselines = fit_baselines(make_samples(site, Measure::kWeight, Part::kFit), site.range());
  return std::find_if(baselines.begin(), baselines.end(), [&](const Baseline& b) { return b.name == name; })
      ->expression;
}

class OtherArchitecture : public ::testing::TestWithParam<NormKind> {
 protected:
  OtherArchitecture() : network_(post_norm(GetParam())) {
    testing::write_small_pictures(folder_ / "pictures", PostNorm::kClasses, 40);
    split_ = split_pictures(testing::pictures_in(folder_ / "pictures"));
  }

  Mappings captured() const {
    Loader loader = loader_for(network_, split_.fit);
    const auto count = static_cast<int64_t>(split_.fit.size());
    return capture(network_, loader, count, fit_fold, {.bins = 256, .pairs = {}}, silent_monitor());
  }

  Graft graft_of(const std::string& closed_form) const {
    Graft graft(post_norm(GetParam()));
    for (const SiteMapping& site : captured().sites) graft.set_function(site.name, fitted(site, closed_form));
    return graft;
  }

  TemporaryFolder folder_;
  PictureSplit split_;
  Network network_;
};

TEST_P(OtherArchitecture, IsCapturedAtEverySiteWithItsTokensAndChannels) {
  const Mappings mappings = captured();
  EXPECT_EQ(mappings.model, "post_norm_test");
  EXPECT_TRUE(mappings.weighted);
  ASSERT_EQ(mappings.sites.size(), 5U);
  std::vector<Tensor> seen(5);
  {
    const at::NoGradGuard no_grad;
    Loader loader = loader_for(network_, split_.fit);
    while (const auto batch = loader.next()) {
      const Tensor images =
          at::from_blob(const_cast<float*>(batch->pixels.data()), {batch->size(), 3, 32, 32});
      network_.forward(images, [&](size_t site, const Tensor& x, const Tensor&) {
        seen[site] = seen[site].defined() ? at::cat({seen[site], x}) : x;
      });
    }
  }
  for (size_t i = 0; i < 5; ++i) {
    const SiteMapping& site = mappings.sites[i];
    EXPECT_EQ(site.name, network_.sites()[i].name);
    EXPECT_EQ(site.tokens, PostNorm::kTokens);
    EXPECT_EQ(site.channels, PostNorm::kChannels);
    double pairs = 0, sum = 0, weight = 0;
    for (const Moments& bin : site.of(Measure::kCount, Part::kAll)) {
      pairs += bin.weight;
      sum += bin.weight * bin.x;
    }
    for (const Moments& bin : site.of(Measure::kWeight, Part::kAll)) weight += bin.weight;
    EXPECT_EQ(pairs, static_cast<double>(seen[i].numel())) << site.name;
    EXPECT_NEAR(sum / pairs, seen[i].mean().item<double>(), 1e-4) << site.name;
    EXPECT_NEAR(site.range().low, seen[i].min().item<double>(), 1e-5) << site.name;
    EXPECT_GT(weight, 0) << site.name;
  }
}

TEST_P(OtherArchitecture, ComesNearerToItsTeacherBySequentialCalibration) {
  for (const char* closed_form : {"line", "clip"}) {
    Graft graft = graft_of(closed_form);
    const Yardstick choose(network_, split_.choose, silent_monitor());
    const double before = choose.measure(graft.network()).kl;
    const auto steps = calibrate_sequential(graft, network_, split_.fit, choose, {}, silent_monitor());
    EXPECT_NEAR(steps.front().before.kl, before, 1e-9) << closed_form;
    EXPECT_LT(choose.measure(graft.network()).kl, 0.75 * before) << closed_form;
  }
}

TEST_P(OtherArchitecture, IsJudgedOnPicturesThatCalibrationDidNotSee) {
  Graft graft = graft_of("clip");
  const auto judged = [&] {
    Loader loader = loader_for(network_, split_.report);
    return evaluate(graft, &network_, loader, static_cast<int64_t>(split_.report.size()), {},
                    silent_monitor());
  };
  const double before = judged().kl->mean;
  const Yardstick choose(network_, split_.choose, silent_monitor());
  calibrate_sequential(graft, network_, split_.fit, choose, {}, silent_monitor());
  const Evaluation after = judged();
  EXPECT_EQ(after.images, static_cast<int64_t>(split_.report.size()));
  EXPECT_LT(after.kl->mean, before);
}

INSTANTIATE_TEST_SUITE_P(Norms, OtherArchitecture,
                         ::testing::Values(NormKind::kLayerNorm, NormKind::kRmsNorm), [](const auto& norm) {
                           return norm.param == NormKind::kLayerNorm ? "LayerNorm" : "RmsNorm";
                         });

}  // namespace
}  // namespace normgraft
