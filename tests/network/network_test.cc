#include "normgraft/network/network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "network/fixtures.h"
#include "normgraft/network/threads.h"

namespace normgraft {
namespace {

using testing::relative_error;
using testing::small_config;
using testing::small_images;
using testing::small_preprocessing;
using testing::small_tensors;
using testing::small_vit;

Tensor plain_norm(const Tensor& x, double eps) {
  const Tensor centred = x - x.mean(-1, true);
  return centred / (centred.square().mean(-1, true) + eps).sqrt();
}

TEST(Network, ListsItsSitesInTheOrderOfTheForwardPass) {
  const Network vit = small_vit();
  std::vector<std::string> names, linears;
  for (const Site& site : vit.sites()) {
    names.push_back(site.name);
    ASSERT_EQ(site.readers.size(), 1U) << site.name;
    linears.push_back(site.readers[0].weight);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"blocks.0.norm1", "blocks.0.norm2", "blocks.1.norm1",
                                             "blocks.1.norm2", "norm"}));
  EXPECT_EQ(linears,
            (std::vector<std::string>{"blocks.0.attn.qkv.weight", "blocks.0.mlp.fc1.weight",
                                      "blocks.1.attn.qkv.weight", "blocks.1.mlp.fc1.weight", "head.weight"}));
  for (const Site& site : vit.sites()) EXPECT_EQ(site.tokens, 7) << site.name;
}

TEST(Network, ShowsTheObserverEveryTokenOfEverySiteBeforeGammaAndBeta) {
  const at::NoGradGuard no_grad;
  const Network vit = small_vit();
  const Tensor images = small_images(5);
  std::vector<size_t> seen;
  const Tensor logits = vit.forward(images, [&](size_t site, const Tensor& x, const Tensor& y) {
    seen.push_back(site);
    EXPECT_EQ(x.sizes(), (std::vector<int64_t>{5, 7, 8}));
    EXPECT_LT(relative_error(y, plain_norm(x, vit.sites()[site].eps)), 1e-5);
  });
  EXPECT_EQ(seen, (std::vector<size_t>{0, 1, 2, 3, 4}));
  EXPECT_LT(relative_error(vit.forward(images), logits), 1e-6);
}

TEST(Network, PutsANormalizerInThePlaceOfItsSiteAlone) {
  const at::NoGradGuard no_grad;
  Network vit = small_vit();
  const Tensor images = small_images(3);
  const Tensor original = vit.forward(images);
  for (size_t site = 0; site < vit.sites().size(); ++site) {
    const double eps = vit.sites()[site].eps;
    vit.set_normalizer(site, [eps](const Tensor& x) { return plain_norm(x, eps); });
    EXPECT_LT(relative_error(vit.forward(images), original), 1e-5) << vit.sites()[site].name;
    vit.set_normalizer(site, [](const Tensor& x) { return at::tanh(x); });
    EXPECT_GT(relative_error(vit.forward(images), original), 1e-3) << vit.sites()[site].name;
    vit.set_normalizer(site, {});
    EXPECT_TRUE(at::equal(vit.forward(images), original)) << vit.sites()[site].name;
  }
}

TEST(Network, AppliesGammaAndBetaAfterTheNormalizer) {
  const at::NoGradGuard no_grad;
  Tensors tensors = small_tensors();
  const Tensor gamma = tensors.at("norm.weight"), beta = tensors.at("norm.bias");
  Network vit = make_vit(small_config(), small_preprocessing(), tensors);
  vit.set_normalizer(4, [](const Tensor& x) { return at::full_like(x, 0.25); });
  const Tensor expected =
      at::matmul(tensors.at("head.weight"), gamma * 0.25 + beta) + tensors.at("head.bias");
  EXPECT_LT(relative_error(vit.forward(small_images(2)), expected.expand({2, -1})), 1e-6);
}

TEST(Network, ShowsTheObserverWhatTheNormalizerReturned) {
  const at::NoGradGuard no_grad;
  Network vit = small_vit();
  vit.set_normalizer(1, [](const Tensor& x) { return at::tanh(x); });
  vit.forward(small_images(2), [&](size_t site, const Tensor& x, const Tensor& y) {
    EXPECT_LT(relative_error(y, site == 1 ? at::tanh(x) : plain_norm(x, vit.sites()[site].eps)), 1e-5)
        << site;
  });
}

TEST(Network, GivesThePicturesOfABatchTheLogitsTheyGetAlone) {
  const at::NoGradGuard no_grad;
  const Network vit = small_vit();
  const Tensor images = small_images(7);
  const Tensor together = vit.forward(images);
  ASSERT_EQ(together.sizes(), (std::vector<int64_t>{7, 5}));
  for (int64_t i = 0; i < 7; ++i) {
    EXPECT_LT(relative_error(vit.forward(images.slice(0, i, i + 1)), together.slice(0, i, i + 1)), 1e-5);
  }
  EXPECT_EQ(vit.forward(images.slice(0, 0, 0)).sizes(), (std::vector<int64_t>{0, 5}));
}

TEST(Network, GivesTheSameLogitsOnAnyNumberOfThreads) {
  const at::NoGradGuard no_grad;
  const Network vit = small_vit();
  const Tensor images = small_images(9);
  set_network_threads(1);
  const Tensor one = vit.forward(images);
  set_network_threads(3);
  const Tensor three = vit.forward(images);
  set_network_threads(0);
  EXPECT_TRUE(at::equal(one, three));
}

TEST(Network, DropsWholeBranchesOfPicturesAndKeepsTheExpectation) {
  const at::NoGradGuard no_grad;
  VitConfig config = small_config();
  Tensors tensors = small_tensors();
  for (const char* name : {"attn.proj.weight", "mlp.fc2.weight", "attn.proj.bias"}) {
    tensors.at(std::string("blocks.1.") + name).zero_();
  }
  Network vit = make_vit(config, small_preprocessing(), tensors);
  vit.set_normalizer(4, [](const Tensor& x) { return x; });  // the logits are linear in the last branch
  const Tensor images = small_images(1).expand({400, -1, -1, -1}).contiguous();
  const Tensor kept = vit.forward(images.slice(0, 0, 1));
  vit.set_drop_path(0.25);
  at::manual_seed(4);
  const Tensor logits = vit.forward(images);
  const Tensor first = logits.select(1, 0);
  EXPECT_EQ(std::get<0>(at::_unique(first.mul(1e4).round())).numel(), 2);  // dropped, or kept and scaled up
  const Tensor one = logits.slice(0, 0, 1), apart = first.sub(first[0]).abs();
  const Tensor another = logits.select(0, apart.argmax().item<int64_t>()).unsqueeze(0);
  const double share = (apart < 1e-4).to(at::kDouble).mean().item<double>();  // of pictures as the first one
  EXPECT_NEAR(std::min(share, 1 - share), 0.25, 0.06);
  const double weight = share < 0.5 ? 0.25 : 0.75;
  EXPECT_LT(relative_error(weight * one + (1 - weight) * another, kept), 1e-5);
  vit.set_drop_path(0);
  EXPECT_LT(relative_error(vit.forward(images.slice(0, 0, 1)), kept), 1e-6);
}

}  // namespace
}  // namespace normgraft
