#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "vit/fixtures.h"

namespace normgraft {
namespace {

using testing::input_error;
using testing::relative_error;
using testing::small_config;
using testing::small_images;
using testing::small_preprocessing;
using testing::small_tensors;
using testing::small_vit;

std::string construction_fault(const VitConfig& config, const Tensors& tensors) {
  return input_error([&] { Vit(config, small_preprocessing(), tensors); });
}

torch::Tensor plain_norm(const torch::Tensor& x, double eps) {
  const torch::Tensor centred = x - x.mean(-1, true);
  return centred / (centred.square().mean(-1, true) + eps).sqrt();
}

TEST(Vit, ListsItsSitesInTheOrderOfTheForwardPass) {
  const Vit vit = small_vit();
  std::vector<std::string> names, linears;
  for (const NormSite& site : vit.sites()) {
    names.push_back(site.name);
    linears.push_back(site.next_linear);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"blocks.0.norm1", "blocks.0.norm2", "blocks.1.norm1",
                                             "blocks.1.norm2", "norm"}));
  EXPECT_EQ(linears, (std::vector<std::string>{"blocks.0.attn.qkv", "blocks.0.mlp.fc1", "blocks.1.attn.qkv",
                                               "blocks.1.mlp.fc1", "head"}));
  EXPECT_EQ(vit.tokens(), 7);
}

TEST(Vit, ShowsTheObserverEveryTokenOfEverySiteBeforeGammaAndBeta) {
  const torch::NoGradGuard no_grad;
  const Vit vit = small_vit();
  const torch::Tensor images = small_images(5);
  std::vector<size_t> seen;
  const torch::Tensor logits =
      vit.forward(images, [&](size_t site, const torch::Tensor& x, const torch::Tensor& y) {
        seen.push_back(site);
        EXPECT_EQ(x.sizes(), (std::vector<int64_t>{5, 7, 8}));
        EXPECT_LT(relative_error(y, plain_norm(x, vit.config().eps)), 1e-5);
      });
  EXPECT_EQ(seen, (std::vector<size_t>{0, 1, 2, 3, 4}));
  EXPECT_LT(relative_error(vit.forward(images), logits), 1e-6);
}

TEST(Vit, PutsANormalizerInThePlaceOfItsSiteAlone) {
  const torch::NoGradGuard no_grad;
  Vit vit = small_vit();
  const torch::Tensor images = small_images(3);
  const torch::Tensor original = vit.forward(images);
  const double eps = vit.config().eps;
  for (size_t site = 0; site < vit.sites().size(); ++site) {
    vit.set_normalizer(site, [&](const torch::Tensor& x) { return plain_norm(x, eps); });
    EXPECT_LT(relative_error(vit.forward(images), original), 1e-5) << vit.sites()[site].name;
    vit.set_normalizer(site, [](const torch::Tensor& x) { return torch::tanh(x); });
    EXPECT_GT(relative_error(vit.forward(images), original), 1e-3) << vit.sites()[site].name;
    vit.set_normalizer(site, {});
    EXPECT_TRUE(torch::equal(vit.forward(images), original)) << vit.sites()[site].name;
  }
}

TEST(Vit, AppliesGammaAndBetaAfterTheNormalizer) {
  const torch::NoGradGuard no_grad;
  Tensors tensors = small_tensors();
  const torch::Tensor gamma = tensors.at("norm.weight"), beta = tensors.at("norm.bias");
  Vit vit(small_config(), small_preprocessing(), tensors);
  vit.set_normalizer(4, [](const torch::Tensor& x) { return torch::full_like(x, 0.25); });
  const torch::Tensor expected =
      torch::matmul(tensors.at("head.weight"), gamma * 0.25 + beta) + tensors.at("head.bias");
  EXPECT_LT(relative_error(vit.forward(small_images(2)), expected.expand({2, -1})), 1e-6);
}

TEST(Vit, ShowsTheObserverWhatTheNormalizerReturned) {
  const torch::NoGradGuard no_grad;
  Vit vit = small_vit();
  vit.set_normalizer(1, [](const torch::Tensor& x) { return torch::tanh(x); });
  vit.forward(small_images(2), [&](size_t site, const torch::Tensor& x, const torch::Tensor& y) {
    EXPECT_LT(relative_error(y, site == 1 ? torch::tanh(x) : plain_norm(x, vit.config().eps)), 1e-5) << site;
  });
}

TEST(Vit, GivesThePicturesOfABatchTheLogitsTheyGetAlone) {
  const torch::NoGradGuard no_grad;
  const Vit vit = small_vit();
  const torch::Tensor images = small_images(7);
  const torch::Tensor together = vit.forward(images);
  ASSERT_EQ(together.sizes(), (std::vector<int64_t>{7, 5}));
  for (int64_t i = 0; i < 7; ++i) {
    EXPECT_LT(relative_error(vit.forward(images.slice(0, i, i + 1)), together.slice(0, i, i + 1)), 1e-5);
  }
  EXPECT_EQ(vit.forward(images.slice(0, 0, 0)).sizes(), (std::vector<int64_t>{0, 5}));
}

TEST(Vit, GivesTheSameLogitsOnAnyNumberOfThreads) {
  const torch::NoGradGuard no_grad;
  const Vit vit = small_vit();
  const torch::Tensor images = small_images(9);
  set_network_threads(1);
  const torch::Tensor one = vit.forward(images);
  set_network_threads(3);
  const torch::Tensor three = vit.forward(images);
  set_network_threads(0);
  EXPECT_TRUE(torch::equal(one, three));
}

TEST(Vit, DropsWholeBranchesOfPicturesAndKeepsTheExpectation) {
  const torch::NoGradGuard no_grad;
  VitConfig config = small_config();
  Tensors tensors = small_tensors();
  for (const char* name : {"attn.proj.weight", "mlp.fc2.weight", "attn.proj.bias"}) {
    tensors.at(std::string("blocks.1.") + name).zero_();
  }
  Vit vit(config, small_preprocessing(), tensors);
  vit.set_normalizer(4,
                     [](const torch::Tensor& x) { return x; });  // the logits are linear in the last branch
  const torch::Tensor images = small_images(1).expand({400, -1, -1, -1}).contiguous();
  const torch::Tensor kept = vit.forward(images.slice(0, 0, 1));
  vit.set_drop_path(0.25);
  torch::manual_seed(4);
  const torch::Tensor logits = vit.forward(images);
  const torch::Tensor first = logits.select(1, 0);
  EXPECT_EQ(std::get<0>(at::_unique(first.mul(1e4).round())).numel(), 2);  // dropped, or kept and scaled up
  EXPECT_LT(relative_error(logits.mean(0, true), kept), 0.15);
  vit.set_drop_path(0);
  EXPECT_LT(relative_error(vit.forward(images.slice(0, 0, 1)), kept), 1e-6);
}

TEST(Vit, NamesTheTensorsThatAreMissing) {
  Tensors tensors = small_tensors();
  tensors.erase("blocks.1.mlp.fc2.weight");
  tensors.erase("norm.bias");
  const std::string message = construction_fault(small_config(), tensors);
  EXPECT_NE(message.find("2 tensors are missing: blocks.1.mlp.fc2.weight, norm.bias"), std::string::npos)
      << message;
}

TEST(Vit, RefusesTensorsThatItDoesNotUnderstand) {
  Tensors tensors = small_tensors();
  tensors["blocks.0.attn.q_norm.weight"] = torch::ones({4});
  const std::string message = construction_fault(small_config(), tensors);
  EXPECT_NE(message.find("not understood: blocks.0.attn.q_norm.weight"), std::string::npos) << message;
}

TEST(Vit, ShowsBothShapesOfATensorThatDoesNotFit) {
  Tensors tensors = small_tensors();
  tensors["blocks.0.attn.proj.weight"] = torch::ones({8, 9});
  const std::string message = construction_fault(small_config(), tensors);
  EXPECT_NE(message.find("\"blocks.0.attn.proj.weight\" has shape [8, 9], expected [8, 8]"),
            std::string::npos)
      << message;
}

TEST(Vit, RefusesWeightsThatAreNotFinite) {
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Tensors tensors = small_tensors();
    tensors.at("head.bias")[3] = value;
    const std::string message = construction_fault(small_config(), tensors);
    EXPECT_NE(message.find("\"head.bias\""), std::string::npos) << message;
    EXPECT_NE(message.find("not finite"), std::string::npos) << message;
  }
}

TEST(Vit, RefusesAConfigurationThatCannotBe) {
  VitConfig config = small_config();
  config.heads = 3;
  EXPECT_NE(construction_fault(config, small_tensors()).find("8 channels cannot be divided among 3 heads"),
            std::string::npos);
  config = small_config();
  config.activation = "swish";
  EXPECT_NE(construction_fault(config, small_tensors()).find("\"swish\""), std::string::npos);
  config = small_config();
  config.height = 32;
  EXPECT_NE(construction_fault(config, small_tensors())
                .find("\"pos_embed\" has shape [1, 7, 8], expected [1, 9, 8]"),
            std::string::npos);
}

}  // namespace
}  // namespace normgraft
