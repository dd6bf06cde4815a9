#include "normgraft/network/stream.h"

#include <gtest/gtest.h>

#include "network/fixtures.h"

namespace normgraft {
namespace {

using testing::small_config;
using testing::small_images;
using testing::small_preprocessing;
using testing::small_tensors;

struct Variant {
  const char* name;
  VitConfig config;
  Tensors tensors;
};

std::vector<Variant> variants() {
  std::vector<Variant> all = {{"plain", small_config(), small_tensors()}};
  Variant scaled{"LayerScale", small_config(), small_tensors()};
  for (const std::string block : {"blocks.0.", "blocks.1."}) {
    scaled.tensors[block + "ls1.gamma"] = at::rand({8}) + 0.2;
    scaled.tensors[block + "ls2.gamma"] = at::randn({8});
  }
  all.push_back(scaled);
  Variant pooled{"average pool", small_config(), small_tensors()};
  pooled.config.pooling = Pooling::kAverage;
  pooled.config.norm_behind_pooling = true;
  for (const std::string part : {".weight", ".bias"}) {
    pooled.tensors["fc_norm" + part] = pooled.tensors["norm" + part];
    pooled.tensors.erase("norm" + part);
  }
  all.push_back(pooled);
  Variant before{"norm before the blocks", small_config(), small_tensors()};
  before.config.pre_norm = true;
  before.tensors["norm_pre.weight"] = at::rand({8}) + 0.5;
  before.tensors["norm_pre.bias"] = at::randn({8});
  all.push_back(before);
  Variant distilled{"distillation token", small_config(), small_tensors()};
  distilled.config.distilled = true;
  distilled.tensors["dist_token"] = at::randn({1, 1, 8});
  distilled.tensors["pos_embed"] = at::randn({1, 8, 8});
  distilled.tensors["head_dist.weight"] = at::randn({5, 8});
  distilled.tensors["head_dist.bias"] = at::randn({5});
  all.push_back(distilled);
  return all;
}

TEST(CentreStream, LeavesTheLogitsOfEveryVariantAsTheyWere) {
  const at::NoGradGuard no_grad;
  for (const Variant& v : variants()) {
    const Network original = make_vit(v.config, small_preprocessing(), v.tensors);
    Network centred = make_vit(v.config, small_preprocessing(), v.tensors);
    centre_stream(centred);
    EXPECT_LT(testing::relative_error(centred.forward(small_images(4)), original.forward(small_images(4))),
              1e-5)
        << v.name;
    EXPECT_FALSE(
        at::equal(centred.tensors().at("blocks.0.mlp.fc2.weight"), v.tensors.at("blocks.0.mlp.fc2.weight")))
        << v.name;
  }
}

TEST(CentreStream, LeavesNoMeanOverChannelsAtAnySite) {
  const at::NoGradGuard no_grad;
  for (const Variant& v : variants()) {
    if (v.config.pre_norm) continue;  // its beta is written to the stream behind a norm, and stays
    Network vit = make_vit(v.config, small_preprocessing(), v.tensors);
    centre_stream(vit);
    vit.forward(small_images(3), [&](size_t site, const Tensor& x, const Tensor&) {
      EXPECT_LT(x.mean(-1).abs().max().item<float>(), 1e-5F * x.abs().max().item<float>())
          << v.name << " " << vit.sites()[site].name;
    });
  }
}

TEST(BlindToMean, LeavesTheLogitsOfEveryVariantAsTheyWereAndFoldsEveryNormThatALinearFollows) {
  const at::NoGradGuard no_grad;
  for (const Variant& v : variants()) {
    const Network original = make_vit(v.config, small_preprocessing(), v.tensors);
    Network blind = make_vit(v.config, small_preprocessing(), v.tensors);
    blind_to_mean(blind);
    EXPECT_LT(testing::relative_error(blind.forward(small_images(4)), original.forward(small_images(4))),
              1e-5)
        << v.name;
    for (size_t site = 0; site < blind.sites().size(); ++site) {
      const bool read = !blind.sites()[site].readers.empty();
      EXPECT_EQ(blind.sites()[site].carried.blind, read) << v.name << " " << blind.sites()[site].name;
      EXPECT_FALSE(original.sites()[site].carried.blind) << v.name;
      const Tensor gamma = blind.tensors().at(blind.sites()[site].name + ".weight");
      EXPECT_EQ(at::equal(gamma, at::ones_like(gamma)), read) << v.name;
    }
  }
}

TEST(BlindToMean, LetsAFunctionAddAnyNumberToAllChannelsOfAToken) {
  const at::NoGradGuard no_grad;
  for (const Variant& v : variants()) {
    Network vit = make_vit(v.config, small_preprocessing(), v.tensors);
    blind_to_mean(vit);
    const Tensor expected = vit.forward(small_images(4));
    for (size_t site = 0; site < vit.sites().size(); ++site) {
      if (vit.sites()[site].readers.empty()) continue;
      vit.set_normalizer(site, [](const Tensor& x) {
        std::vector<int64_t> one_a_token = x.sizes().vec();
        one_a_token.back() = 1;
        return at::layer_norm(x, {8}, {}, {}, 1e-6) + 10 * at::randn(one_a_token);
      });
    }
    EXPECT_LT(testing::relative_error(vit.forward(small_images(4)), expected), 1e-4) << v.name;
  }
}

TEST(CentreStream, DoesNotWriteIntoTheTensorsThatTheModelWasMadeOf) {
  const Tensors tensors = small_tensors();
  const Tensor before = tensors.at("cls_token").clone();
  Network vit = make_vit(small_config(), small_preprocessing(), tensors);
  centre_stream(vit);
  EXPECT_TRUE(at::equal(tensors.at("cls_token"), before));
}

}  // namespace
}  // namespace normgraft
