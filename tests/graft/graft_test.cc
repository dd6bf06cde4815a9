#include "normgraft/graft/graft.h"

#include <gtest/gtest.h>

#include "normgraft/core/error.h"
#include "normgraft/data/folder.h"
#include "normgraft/graft/calibrate.h"
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
  write_atomically(folder / "functions.json", R"json({"version": 1, "functions": {"norm": "2*tanhh(x)"}})json");
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

TEST(CalibrateAffine, FindsTheLeastSquaresGammaAndBetaOfEveryChannel) {
  torch::NoGradGuard no_grad;
  const TemporaryFolder folder;
  testing::write_small_pictures(folder / "pictures", 3, 4);
  const auto pictures = open_picture_folder(folder / "pictures").pictures;
  const Vit teacher = small_vit();
  Graft graft(small_vit());
  const std::string text = "clip(0.8*x, -1, 1)";
  apply_functions(graft, functions_for_all(graft.vit(), text));
  const auto loader = [&](int64_t batch) {
    LoaderOptions options;
    options.batch = batch;
    return std::make_unique<Loader>(pictures, evaluation_transform(teacher.preprocessing()), 32, 32, options,
                                    silent_monitor());
  };
  const auto batches = loader(5);
  calibrate_affine(graft, teacher, *batches, 12, silent_monitor());

  // The oracle: one least-squares solve for channel 3 of blocks.1.norm2 on all raw pairs.
  std::vector<torch::Tensor> xs, targets;
  const auto again = loader(12);
  const auto batch = again->next();
  const torch::Tensor images = torch::from_blob(const_cast<float*>(batch->pixels.data()), {12, 3, 32, 32});
  torch::Tensor x, target;
  teacher.forward(images, [&](size_t site, const torch::Tensor& in, const torch::Tensor& y) {
    if (teacher.sites()[site].name != "blocks.1.norm2") return;
    x = in.flatten(0, -2).select(1, 3).to(torch::kFloat64);
    target = (y * teacher.tensors().at("blocks.1.norm2.weight") + teacher.tensors().at("blocks.1.norm2.bias"))
                 .flatten(0, -2).select(1, 3).to(torch::kFloat64);
  });
  const torch::Tensor design = torch::stack({(0.8 * x).clamp(-1, 1), torch::ones_like(x)}, 1);
  const torch::Tensor solution = design.t().matmul(design).inverse().matmul(design.t().matmul(target));
  EXPECT_NEAR(graft.vit().tensors().at("blocks.1.norm2.weight")[3].item<double>(), solution[0].item<double>(), 1e-4);
  EXPECT_NEAR(graft.vit().tensors().at("blocks.1.norm2.bias")[3].item<double>(), solution[1].item<double>(), 1e-4);
}

}  // namespace
}  // namespace normgraft
