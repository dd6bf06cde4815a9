#include "normgraft/graft/graft.h"

#include <gtest/gtest.h>

#include "normgraft/core/error.h"
#include "normgraft/data/folder.h"
#include "normgraft/graft/calibrate.h"
#include "normgraft/vit/stream.h"
#include "support/small_model.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::small_vit;
using testing::TemporaryFolder;

Functions functions_for_all(const Vit& vit, const std::string& text) {
  Functions functions;
  for (const NormSite& site : vit.sites()) functions.emplace(site.name, Expression::parse(text));
  return functions;
}

torch::Tensor some_images() {
  torch::manual_seed(5);
  return torch::randn({4, 3, 32, 32});
}

TEST(Graft, WithoutFunctionsIsTheOriginal) {
  torch::NoGradGuard no_grad;
  const Vit vit = small_vit();
  const Graft graft(small_vit());
  EXPECT_TRUE(torch::equal(graft.forward(some_images()), vit.forward(some_images())));
}

TEST(Graft, ComputesGammaTimesFPlusBetaAtEverySite) {
  torch::NoGradGuard no_grad;
  Graft graft(small_vit());
  apply_functions(graft, functions_for_all(graft.vit(), "clip(0.5*x, -1, 1)"));
  size_t seen = 0;
  graft.forward(some_images(), [&](size_t, const torch::Tensor& x, const torch::Tensor& y) {
    ++seen;
    EXPECT_TRUE(torch::allclose(y, (0.5 * x).clamp(-1, 1)));
  });
  EXPECT_EQ(seen, graft.vit().sites().size());
}

TEST(Graft, ReplacesOnlyTheSitesAskedFor) {
  Graft graft(small_vit());
  apply_functions(graft, functions_for_all(graft.vit(), "tanh(x)"), {"blocks.1.norm1"});
  EXPECT_EQ(graft.functions().size(), 1U);
  EXPECT_TRUE(graft.functions().contains("blocks.1.norm1"));
}

TEST(Graft, RefusesAPlanForOtherSites) {
  Graft graft(small_vit());
  Functions functions = functions_for_all(graft.vit(), "tanh(x)");
  functions.emplace("blocks.7.norm1", Expression());
  EXPECT_THROW(apply_functions(graft, functions), InputError);
  functions.erase("blocks.7.norm1");
  functions.erase("norm");
  EXPECT_THROW(apply_functions(graft, functions), InputError);
}

TEST(Graft, FoldingKeepsTheLogits) {
  torch::NoGradGuard no_grad;
  Graft graft(small_vit());
  apply_functions(graft, functions_for_all(graft.vit(), "1.2*tanh(0.6*x)+0.05"));
  const torch::Tensor before = graft.forward(some_images());
  fold(graft);
  const torch::Tensor after = graft.forward(some_images());
  EXPECT_LT((after - before).abs().max().item<double>(), 1e-4 * before.abs().max().item<double>());
  EXPECT_TRUE(torch::equal(graft.vit().tensors().at("blocks.0.norm1.weight"), torch::ones({16})));
  EXPECT_TRUE(torch::equal(graft.vit().tensors().at("norm.bias"), torch::zeros({16})));
}

TEST(Graft, DropsTheMeanOfYWhereTheLinearBehindIsBlindToIt) {
  torch::NoGradGuard no_grad;
  Vit vit = small_vit();
  fold_norm(vit, 2, /*blind=*/true);
  Graft graft(vit);
  apply_functions(graft, functions_for_all(graft.vit(), "0.5*x+3"));
  graft.forward(some_images(), [&](size_t site, const torch::Tensor& x, const torch::Tensor& y) {
    EXPECT_EQ(graft.drops_mean(site), site == 2);
    const torch::Tensor expected = site == 2 ? 0.5 * (x - x.mean(-1, true)) : 0.5 * x + 3;
    EXPECT_TRUE(torch::allclose(y, expected, 1e-4, 1e-5)) << site;
  });
}

TEST(Graft, IsSavedSoThatNothingNeedComputeAMeanEvenAfterGammaWasMoved) {
  torch::NoGradGuard no_grad;
  const TemporaryFolder folder;
  Vit vit = small_vit();
  blind_to_mean(vit);
  Graft graft(vit);
  apply_functions(graft, functions_for_all(graft.vit(), "tanh(x)+0.3*x"));
  for (const NormSite& site : graft.vit().sites()) {
    graft.vit().tensors().at(site.name + ".weight") = 1 + 0.3 * torch::randn({16});
    graft.vit().tensors().at(site.name + ".bias") = torch::randn({16});
  }
  const torch::Tensor expected = graft.forward(some_images());
  save_graft(folder / "graft", graft);
  EXPECT_TRUE(torch::equal(graft.forward(some_images()), expected));

  Vit plain = load_vit(folder / "graft", {}, silent_monitor());
  for (size_t site = 0; site < plain.sites().size(); ++site) {
    plain.set_normalizer(site, [](const torch::Tensor& x) { return x.tanh() + 0.3 * x; });
  }
  EXPECT_LT((plain.forward(some_images()) - expected).abs().max().item<double>(),
            1e-4 * expected.abs().max().item<double>());
}

TEST(Graft, SavesAndLoadsTheSameNetwork) {
  torch::NoGradGuard no_grad;
  const TemporaryFolder folder;
  Graft graft(small_vit());
  apply_functions(graft, functions_for_all(graft.vit(), "clip(0.7*x+0.1, -1.5, 2)"));
  save_graft(folder / "model", graft);
  const Graft loaded = load_graft(folder / "model", {}, silent_monitor());
  EXPECT_EQ(loaded.functions(), graft.functions());
  EXPECT_TRUE(torch::equal(loaded.forward(some_images()), graft.forward(some_images())));
}

TEST(Functions, NamesTheSiteOfAnExpressionThatDoesNotParse) {
  const TemporaryFolder folder;
  write_atomically(folder / "functions.json",
                   R"json({"version": 1, "functions": {"norm": "2*tanhh(x)"}})json");
  try {
    read_functions(folder / "functions.json");
    FAIL() << "expected an InputError";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("site \"norm\""), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("column 3"), std::string::npos) << error.what();
  }
}

TEST(Functions, RefusesANewerVersion) {
  const TemporaryFolder folder;
  write_atomically(folder / "functions.json", R"({"version": 9, "functions": {}})");
  EXPECT_THROW(read_functions(folder / "functions.json"), InputError);
}

/// gamma and beta of channel 3 of blocks.1.norm2 after calibration, beside a dense solve of the same problem
/// on raw pairs.
void expect_least_squares(const PairOptions& options) {
  torch::NoGradGuard no_grad;
  constexpr int64_t kChannel = 3;
  const std::string site_name = "blocks.1.norm2";
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 4);
  const auto pictures = open_picture_folder(folder / "pictures").pictures;
  const Vit teacher = small_vit();
  Graft graft(small_vit());
  apply_functions(graft, functions_for_all(graft.vit(), "clip(0.8*x, -1, 1)"));
  const auto loader = [&](int64_t batch) {
    return std::make_unique<Loader>(pictures, evaluation_transform(teacher.preprocessing()), 32, 32,
                                    LoaderOptions{.batch = batch}, silent_monitor());
  };
  calibrate_affine(graft, teacher, *loader(4), 12, options, silent_monitor());

  std::vector<torch::Tensor> xs, ys, weights;
  const auto receive = [&](size_t site, const SitePairs& pairs) {
    if (teacher.sites()[site].name != site_name) return;
    xs.push_back(pairs.x.flatten(0, -2));
    ys.push_back(pairs.y.flatten(0, -2));
    weights.push_back((pairs.weight.defined() ? pairs.weight : torch::ones_like(pairs.x)).flatten(0, -2));
  };
  for_each_pairs(teacher, *loader(4), 12, options, "test", receive, silent_monitor());
  const torch::Tensor f = (0.8 * torch::cat(xs)).clamp(-1, 1).to(torch::kFloat64);
  const torch::Tensor y = torch::cat(ys).to(torch::kFloat64), w = torch::cat(weights).to(torch::kFloat64);
  const auto channel = [](const torch::Tensor& t) { return t.select(1, kChannel); };
  // Rows for the pairs, and one for each of the two parameters that draws it to 0.
  const torch::Tensor prior = w.sum(0).mean(), spread = (w * f * f).sum() / w.sum();
  const torch::Tensor root = channel(w).sqrt();
  const torch::Tensor pairs = torch::stack({root * channel(f), root}, 1);
  const torch::Tensor design =
      torch::cat({pairs, torch::diag(torch::stack({(prior * spread).sqrt(), prior.sqrt()}))});
  const torch::Tensor target = torch::cat({root * channel(y - f), torch::zeros({2}, torch::kFloat64)});
  const torch::Tensor solution = design.t().matmul(design).inverse().matmul(design.t().matmul(target));
  const double gamma = teacher.tensors().at(site_name + ".weight")[kChannel].item<double>();
  const double beta = teacher.tensors().at(site_name + ".bias")[kChannel].item<double>();
  EXPECT_NEAR(graft.vit().tensors().at(site_name + ".weight")[kChannel].item<double>(),
              gamma * (1 + solution[0].item<double>()), 1e-4);
  EXPECT_NEAR(graft.vit().tensors().at(site_name + ".bias")[kChannel].item<double>(),
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
