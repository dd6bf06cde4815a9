#include <gtest/gtest.h>

#include "network/fixtures.h"
#include "network/other_architecture.h"
#include "normgraft/network/stream.h"

namespace normgraft {
namespace {

using testing::relative_error;
using testing::small_config;
using testing::small_images;
using testing::small_preprocessing;
using testing::small_tensors;

Network with_layer_scale() {
  Tensors tensors = small_tensors();
  for (const std::string block : {"blocks.0.", "blocks.1."}) {
    tensors[block + "ls1.gamma"] = at::rand({8}) + 0.2;
    tensors[block + "ls2.gamma"] = at::randn({8});
  }
  return make_vit(small_config(), small_preprocessing(), tensors);
}

Network with_norm_behind_pooling() {
  VitConfig config = small_config();
  Tensors tensors = small_tensors();
  config.pooling = Pooling::kAverage;
  config.norm_behind_pooling = true;
  for (const std::string part : {".weight", ".bias"}) {
    tensors["fc_norm" + part] = tensors["norm" + part];
    tensors.erase("norm" + part);
  }
  return make_vit(config, small_preprocessing(), tensors);
}

Network with_distillation_token() {
  VitConfig config = small_config();
  Tensors tensors = small_tensors();
  config.distilled = true;
  tensors["dist_token"] = at::randn({1, 1, 8});
  tensors["pos_embed"] = at::randn({1, 8, 8});
  tensors["head_dist.weight"] = at::randn({5, 8});
  tensors["head_dist.bias"] = at::randn({5});
  return make_vit(config, small_preprocessing(), tensors);
}

class FreeChannel : public ::testing::TestWithParam<Network (*)()> {};

TEST_P(FreeChannel, LeavesTheLogitsAsTheyWere) {
  const at::NoGradGuard no_grad;
  const Network original = GetParam()();
  Network freed = original;
  ASSERT_TRUE(can_free_channel(freed));
  free_channel(freed);
  EXPECT_LT(relative_error(freed.forward(small_images(4)), original.forward(small_images(4))), 1e-4);
}

TEST_P(FreeChannel, LeavesNothingInChannel0OfXNorInWhatReadersSayToIt) {
  const at::NoGradGuard no_grad;
  Network freed = GetParam()();
  free_channel(freed);
  size_t seen = 0;
  freed.forward(small_images(3), [&](size_t site, const Tensor& x, const Tensor& y) {
    ++seen;
    EXPECT_TRUE(freed.sites()[site].carried.channel) << site;
    EXPECT_LT(x.select(-1, 0).abs().max().item<float>(), 1e-5F * x.abs().max().item<float>()) << site;
    EXPECT_EQ(y.select(-1, 0).abs().max().item<float>(), 0) << site;
    for (const LinearNames& reader : freed.sites()[site].readers) {
      EXPECT_EQ(freed.tensors().at(reader.weight).select(1, 0).abs().max().item<float>(), 0) << reader.weight;
    }
  });
  EXPECT_EQ(seen, freed.sites().size());
}

TEST_P(FreeChannel, LeavesNormsThatDoNotSeeWhatIsWrittenToChannel0) {
  const at::NoGradGuard no_grad;
  Network freed = GetParam()();
  free_channel(freed);
  const Tensor expected = freed.forward(small_images(4));
  for (const Site& site : freed.sites()) {
    if (site.writer) freed.tensors().at(site.writer->linear.weight).select(0, 0).fill_(2);
  }
  EXPECT_LT(relative_error(freed.forward(small_images(4)), expected), 1e-6);
}

TEST_P(FreeChannel, KeepsTheSpreadOfEveryToken) {
  const at::NoGradGuard no_grad;
  const Network original = GetParam()();
  Network freed = original;
  free_channel(freed);
  std::vector<Tensor> expected;
  original.forward(small_images(3), [&](size_t, const Tensor& x, const Tensor&) {
    expected.push_back((x.var(-1, false) + 1e-6).sqrt());
  });
  freed.forward(small_images(3), [&](size_t site, const Tensor& x, const Tensor&) {
    EXPECT_LT(relative_error(spread(freed.sites()[site], x), expected[site]), 1e-4) << site;
  });
}

INSTANTIATE_TEST_SUITE_P(Networks, FreeChannel,
                         ::testing::Values(&testing::small_vit, &with_layer_scale, &with_norm_behind_pooling,
                                           &with_distillation_token));

TEST_P(FreeChannel, LetsChannelsBeScaledForNothingWhereSitesAreXTimesAFunctionOfR) {
  const at::NoGradGuard no_grad;
  Network freed = GetParam()();
  free_channel(freed);
  for (size_t site = 0; site < freed.sites().size(); ++site) {
    freed.set_normalizer(site,
                         [](const Tensor& x) { return without_carrier(x) * (1 + x.slice(-1, 0, 1).tanh()); });
    if (freed.sites()[site].writer)
      freed.tensors().at(freed.sites()[site].writer->linear.weight)[0].fill_(0.1);
  }
  Network scaled = freed;
  const Tensor scale = at::cat({at::ones({1}), at::logspace(-1, 1, 7)}).to(at::kDouble);
  scale_channels(scaled, scale);
  EXPECT_LT(relative_error(scaled.forward(small_images(4)), freed.forward(small_images(4))), 1e-4);
  std::vector<Tensor> streams;
  freed.forward(small_images(2), [&](size_t, const Tensor& x, const Tensor&) { streams.push_back(x); });
  scaled.forward(small_images(2), [&](size_t site, const Tensor& x, const Tensor&) {
    EXPECT_LT(relative_error(x * scale.to(at::kFloat), streams[site]), 1e-4) << site;
  });
}

TEST(CanFreeChannel, IsFalseForRmsNorms) {
  EXPECT_FALSE(can_free_channel(testing::post_norm(NormKind::kRmsNorm)));
}

TEST(CanFreeChannel, IsFalseWhereANormOfPatchesWritesTheFirstTokens) {
  VitConfig config = small_config();
  Tensors tensors = small_tensors();
  config.patch_norm = true;
  tensors["patch_embed.norm.weight"] = at::ones({8});
  tensors["patch_embed.norm.bias"] = at::zeros({8});
  EXPECT_FALSE(can_free_channel(make_vit(config, small_preprocessing(), tensors)));
}

TEST(CanFreeChannel, IsFalseWhereNoLinearReadsTheLastNorm) {
  VitConfig config = small_config();
  Tensors tensors = small_tensors();
  config.classes = 0;
  tensors.erase("head.weight");
  tensors.erase("head.bias");
  const Network features = make_vit(config, small_preprocessing(), tensors);
  EXPECT_TRUE(hides_mean(features));
  EXPECT_FALSE(can_free_channel(features));
}

TEST(WithoutCarrier, LeavesAllButChannel0) {
  const Tensor x = at::arange(12, at::kFloat).reshape({2, 2, 3}) + 1;
  const Tensor own = without_carrier(x);
  EXPECT_EQ(own.select(-1, 0).abs().max().item<float>(), 0);
  EXPECT_TRUE(at::equal(own.slice(-1, 1), x.slice(-1, 1)));
  EXPECT_EQ(x.select(-1, 0).min().item<float>(), 1);
}

TEST(NormaliseASite, WithACarriedChannelLooksAtTheOthersAlone) {
  Site site;
  site.channels = 4;
  site.eps = 0;
  const Tensor x = at::tensor({7.0F, 1.0F, -2.0F, 4.0F}).reshape({1, 4});
  EXPECT_NEAR(normalise(site, x).mean().item<double>(), 0, 1e-6);
  site.carried.channel = true;
  const double s = std::sqrt((1.0 + 4 + 16) / 4);
  const Tensor y = normalise(site, x);
  EXPECT_NEAR(spread(site, x).item<double>(), s, 1e-6);
  EXPECT_EQ(y[0][0].item<double>(), 0);
  for (int64_t d = 1; d < 4; ++d) EXPECT_NEAR(y[0][d].item<double>(), x[0][d].item<double>() / s, 1e-6);
  x[0][0] = -100;
  EXPECT_TRUE(at::equal(normalise(site, x), y));
}

}  // namespace
}  // namespace normgraft
