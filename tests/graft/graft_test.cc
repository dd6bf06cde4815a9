#include "normgraft/graft/graft.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "normgraft/core/error.h"
#include "normgraft/network/stream.h"
#include "support/small_model.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::small_vit;
using testing::TemporaryFolder;

Functions functions_for_all(const Network& vit, const std::string& text) {
  Functions functions;
  for (const Site& site : vit.sites()) functions.emplace(site.name, Expression::parse(text));
  return functions;
}

Tensor some_images() {
  at::manual_seed(5);
  return at::randn({4, 3, 32, 32});
}

TEST(Graft, WithoutFunctionsIsTheOriginal) {
  at::NoGradGuard no_grad;
  const Network vit = small_vit();
  const Graft graft(small_vit());
  EXPECT_TRUE(at::equal(graft.forward(some_images()), vit.forward(some_images())));
}

TEST(Graft, ComputesGammaTimesFPlusBetaAtEverySite) {
  at::NoGradGuard no_grad;
  Graft graft(small_vit());
  graft.set_functions({functions_for_all(graft.network(), "clip(0.5*x, -1, 1)")});
  size_t seen = 0;
  graft.forward(some_images(), [&](size_t, const Tensor& x, const Tensor& y) {
    ++seen;
    EXPECT_TRUE(at::allclose(y, (0.5 * x).clamp(-1, 1)));
  });
  EXPECT_EQ(seen, graft.network().sites().size());
}

TEST(Graft, ReplacesOnlyTheSitesAskedFor) {
  Graft graft(small_vit());
  graft.set_functions({functions_for_all(graft.network(), "tanh(x)")}, {"blocks.1.norm1"});
  EXPECT_EQ(graft.functions().size(), 1U);
  EXPECT_TRUE(graft.functions().contains("blocks.1.norm1"));
}

TEST(Graft, RefusesAPlanForOtherSites) {
  Graft graft(small_vit());
  Functions functions = functions_for_all(graft.network(), "tanh(x)");
  functions.emplace("blocks.7.norm1", Expression());
  EXPECT_THROW(graft.set_functions({functions}), InputError);
  functions.erase("blocks.7.norm1");
  functions.erase("norm");
  EXPECT_THROW(graft.set_functions({functions}), InputError);
}

TEST(Graft, FoldingKeepsTheLogits) {
  at::NoGradGuard no_grad;
  Graft graft(small_vit());
  graft.set_functions({functions_for_all(graft.network(), "1.2*tanh(0.6*x)+0.05")});
  const Tensor before = graft.forward(some_images());
  fold(graft);
  const Tensor after = graft.forward(some_images());
  EXPECT_LT((after - before).abs().max().item<double>(), 1e-4 * before.abs().max().item<double>());
  EXPECT_TRUE(at::equal(graft.network().tensors().at("blocks.0.norm1.weight"), at::ones({16})));
  EXPECT_TRUE(at::equal(graft.network().tensors().at("norm.bias"), at::zeros({16})));
}

TEST(Graft, DropsTheMeanOfYWhereTheLinearBehindIsBlindToIt) {
  at::NoGradGuard no_grad;
  Network vit = small_vit();
  fold_norm(vit, 2, /*blind=*/true);
  Graft graft(vit);
  graft.set_functions({functions_for_all(graft.network(), "0.5*x+3")});
  graft.forward(some_images(), [&](size_t site, const Tensor& x, const Tensor& y) {
    EXPECT_EQ(graft.drops_mean(site), site == 2);
    const Tensor expected = site == 2 ? 0.5 * (x - x.mean(-1, true)) : 0.5 * x + 3;
    EXPECT_TRUE(at::allclose(y, expected, 1e-4, 1e-5)) << site;
  });
}

TEST(Graft, IsSavedSoThatNothingNeedComputeAMeanEvenAfterGammaWasMoved) {
  at::NoGradGuard no_grad;
  const TemporaryFolder folder;
  Network vit = small_vit();
  blind_to_mean(vit);
  Graft graft(vit);
  graft.set_functions({functions_for_all(graft.network(), "tanh(x)+0.3*x")});
  for (const Site& site : graft.network().sites()) {
    graft.network().tensors().at(site.gamma) = 1 + 0.3 * at::randn({16});
    graft.network().tensors().at(site.beta) = at::randn({16});
  }
  const Tensor expected = graft.forward(some_images());
  save_graft(folder / "graft", graft);
  EXPECT_TRUE(at::equal(graft.forward(some_images()), expected));

  Network plain = load_model(folder / "graft", {}, silent_monitor());
  for (size_t site = 0; site < plain.sites().size(); ++site) {
    plain.set_normalizer(site, [](const Tensor& x) { return x.tanh() + 0.3 * x; });
  }
  EXPECT_LT((plain.forward(some_images()) - expected).abs().max().item<double>(),
            1e-4 * expected.abs().max().item<double>());
}

TEST(Graft, SavesAndLoadsTheSameNetwork) {
  at::NoGradGuard no_grad;
  const TemporaryFolder folder;
  Graft graft(small_vit());
  graft.set_functions({functions_for_all(graft.network(), "clip(0.7*x+0.1, -1.5, 2)")});
  save_graft(folder / "model", graft);
  const Graft loaded = load_graft(folder / "model", {}, silent_monitor());
  EXPECT_EQ(loaded.functions(), graft.functions());
  EXPECT_TRUE(at::equal(loaded.forward(some_images()), graft.forward(some_images())));
}

TEST(Functions, NamesTheSiteOfAnExpressionThatDoesNotParse) {
  const TemporaryFolder folder;
  write_atomically(folder / "functions.json",
                   R"json({"version": 1, "functions": {"norm": "2*tanhh(x)"}})json");
  try {
    read_functions(folder / "functions.json");
    FAIL() << "expected an InputError";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("functions.norm:"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("column 3"), std::string::npos) << error.what();
  }
}

TEST(Functions, RefusesANewerVersion) {
  const TemporaryFolder folder;
  write_atomically(folder / "functions.json", R"({"version": 9, "functions": {}})");
  EXPECT_THROW(read_functions(folder / "functions.json"), InputError);
}

TEST(Graft, UsesTheFunctionsOfAsManySitesAsToldAndTheNormsBehindThem) {
  at::NoGradGuard no_grad;
  Graft graft(small_vit());
  graft.set_functions({functions_for_all(graft.network(), "tanh(x)")});
  for (const size_t count : {0, 2, 5}) {
    graft.use_functions(count);
    graft.forward(some_images(), [&](size_t site, const Tensor& x, const Tensor& y) {
      const Tensor expected = site < count ? x.tanh() : at::layer_norm(x, {16}, {}, {}, 1e-6);
      EXPECT_TRUE(at::allclose(y, expected, 1e-4, 1e-5)) << site << " of " << count;
    });
    EXPECT_EQ(graft.functions().size(), 5U);
  }
}

TEST(Graft, WithoutFunctionsIsSavedWithoutThoseThatWereThereBefore) {
  const TemporaryFolder folder;
  Graft graft(small_vit());
  graft.set_functions({functions_for_all(graft.network(), "tanh(x)")});
  save_graft(folder / "model", graft);
  ASSERT_EQ(load_graft(folder / "model", {}, silent_monitor()).functions().size(), 5U);
  save_graft(folder / "model", Graft(small_vit()));
  EXPECT_TRUE(load_graft(folder / "model", {}, silent_monitor()).functions().empty());
}

}  // namespace
}  // namespace normgraft
