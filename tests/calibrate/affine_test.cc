#include "normgraft/calibrate/affine.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>

#include "support/small_model.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::small_vit;
using testing::TemporaryFolder;

/// gamma and beta of channel 3 of blocks.1.norm2 after calibration, beside a dense solve of the same problem
/// on raw pairs.
void expect_least_squares(const PairOptions& options) {
  at::NoGradGuard no_grad;
  constexpr int64_t kChannel = 3;
  const std::string site_name = "blocks.1.norm2";
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 4);
  const auto pictures = testing::pictures_in(folder / "pictures");
  const Network teacher = small_vit();
  Graft graft(small_vit());
  for (const Site& site : teacher.sites())
    graft.set_function(site.name, Expression::parse("clip(0.8*x, -1, 1)"));
  const auto loader = [&](int64_t batch) {
    return std::make_unique<Loader>(pictures, evaluation_transform(teacher.preprocessing()), 32, 32,
                                    LoaderOptions{.batch = batch}, silent_monitor());
  };
  calibrate_affine(graft, teacher, *loader(4), 12, options, silent_monitor());

  std::vector<Tensor> xs, ys, weights;
  const auto receive = [&](size_t site, const SitePairs& pairs) {
    if (teacher.sites()[site].name != site_name) return;
    xs.push_back(pairs.x.flatten(0, -2));
    ys.push_back(pairs.y.flatten(0, -2));
    weights.push_back((pairs.weight.defined() ? pairs.weight : at::ones_like(pairs.x)).flatten(0, -2));
  };
  for_each_pairs(teacher, *loader(4), 12, options, "test", receive, silent_monitor());
  const Tensor f = (0.8 * at::cat(xs)).clamp(-1, 1).to(at::kDouble);
  const Tensor y = at::cat(ys).to(at::kDouble), w = at::cat(weights).to(at::kDouble);
  const auto channel = [](const Tensor& t) { return t.select(1, kChannel); };
  // Rows for the pairs, and one for each of the two parameters that draws it to 0.
  const Tensor prior = w.sum(0).mean(), spread = (w * f * f).sum() / w.sum();
  const Tensor root = channel(w).sqrt();
  const Tensor pairs = at::stack({root * channel(f), root}, 1);
  const Tensor design = at::cat({pairs, at::diag(at::stack({(prior * spread).sqrt(), prior.sqrt()}))});
  const Tensor target = at::cat({root * channel(y - f), at::zeros({2}, at::kDouble)});
  const Tensor solution = design.t().matmul(design).inverse().matmul(design.t().matmul(target));
  const double gamma = teacher.tensors().at(site_name + ".weight")[kChannel].item<double>();
  const double beta = teacher.tensors().at(site_name + ".bias")[kChannel].item<double>();
  EXPECT_NEAR(graft.network().tensors().at(site_name + ".weight")[kChannel].item<double>(),
              gamma * (1 + solution[0].item<double>()), 1e-4);
  EXPECT_NEAR(graft.network().tensors().at(site_name + ".bias")[kChannel].item<double>(),
              beta + gamma * solution[1].item<double>(), 1e-4);
}

TEST(CalibrateAffine, SolvesTheRidgeRegressionOfEveryChannelOnPlainPairs) {
  expect_least_squares({.weights = Weights::kNone});
}

TEST(CalibrateAffine, SolvesTheRidgeRegressionOfEveryChannelOnWeightedPairs) {
  expect_least_squares({.weights = Weights::kFisher, .probes = 2});
}

}  // namespace
}  // namespace normgraft
