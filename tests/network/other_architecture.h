#pragma once

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "normgraft/network/kernels.h"
#include "normgraft/network/network.h"

namespace normgraft::testing {

/// A network unlike a Vision Transformer, as BERT is laid out: the tokens of 8 x 8 patches of 32 x 32
/// pictures, a norm of them first, then two layers in which a norm stands behind each sum. N = 16, D = 12, 2
/// heads, 4 classes from the mean of all tokens, 5 norm sites of either kind.
class PostNorm : public Architecture {
 public:
  static constexpr int64_t kSide = 32, kPatch = 8, kTokens = 16, kChannels = 12, kHeads = 2, kHidden = 20;
  static constexpr int64_t kLayers = 2, kClasses = 4;

  explicit PostNorm(NormKind kind) : kind_(kind) {}

  std::string name() const override { return "post_norm_test"; }
  int64_t classes() const override { return kClasses; }
  std::vector<std::string> class_names() const override { return {}; }
  int64_t prefix_tokens() const override { return 0; }
  std::vector<std::string> embedding_tensors() const override {
    return {"patch.weight", "patch.bias", "positions"};
  }

  std::vector<Site> sites() const override {
    std::vector<Site> sites = {site("embedding.norm")};
    for (int64_t layer = 0; layer < kLayers; ++layer) {
      for (const char* part : {"attention", "mlp"}) {
        sites.push_back(site(fmt::format("{}.{}.norm", layer, part)));
        sites.back().writer = Writer{names(fmt::format("{}.{}.out", layer, part)), ""};
      }
    }
    sites.back().readers = {names("head")};
    return sites;
  }

  Tensor embed(const Operations& with, const Tensor& images) const override {
    const Tensors& tensors = with.tensors();
    const Tensor patches = at::conv2d(images, tensors.at("patch.weight"), tensors.at("patch.bias"), kPatch);
    return patches.flatten(2).transpose(1, 2) + tensors.at("positions");
  }

  Tensor branch(const Operations& with, size_t site, const Tensor& normalised) const override {
    const std::string layer = fmt::format("{}", site / 2);
    if (site % 2 == 0) {
      return with.attention(layer, with.linear(names(layer + ".attention.qkv"), normalised), kHeads);
    }
    return with.activated("relu", layer, names(layer + ".mlp.in"), normalised);
  }

  Tensor pool(const Tensor& x) const override { return x.mean(1); }
  int64_t tokens_read() const override { return 0; }
  Tensor head(const Operations& with, const Tensor& normalised) const override {
    return with.linear(names("head"), normalised.mean(1));
  }
  Json facts() const override { return Json::object(); }
  Json config(Tensors&, const Preprocessing&) const override { return Json::object(); }

 private:
  static LinearNames names(const std::string& name) { return {name + ".weight", name + ".bias"}; }

  Site site(const std::string& name) const {
    Site site;
    site.name = name;
    site.kind = kind_;
    site.eps = 1e-3;
    site.tokens = kTokens;
    site.channels = kChannels;
    site.gamma = name + ".gamma";
    site.beta = name + ".beta";
    site.trunk = Trunk::kOutput;
    return site;
  }

  NormKind kind_;
};

/// Random tensors for it; RMSNorms have no beta.
inline Tensors post_norm_tensors(NormKind kind) {
  using Net = PostNorm;
  constexpr int64_t d = Net::kChannels;
  at::manual_seed(11);
  Tensors tensors;
  const auto add_linear = [&](const std::string& name, int64_t out, int64_t in) {
    tensors[name + ".weight"] = at::randn({out, in}) * (1.2 / std::sqrt(static_cast<double>(in)));
    tensors[name + ".bias"] = 0.1 * at::randn({out});
  };
  tensors["patch.weight"] = 0.07 * at::randn({d, 3, Net::kPatch, Net::kPatch});
  tensors["patch.bias"] = 0.1 * at::randn({d});
  tensors["positions"] = at::randn({Net::kTokens, d});
  for (int64_t layer = 0; layer < Net::kLayers; ++layer) {
    add_linear(fmt::format("{}.attention.qkv", layer), 3 * d, d);
    add_linear(fmt::format("{}.attention.out", layer), d, d);
    add_linear(fmt::format("{}.mlp.in", layer), Net::kHidden, d);
    add_linear(fmt::format("{}.mlp.out", layer), d, Net::kHidden);
  }
  add_linear("head", Net::kClasses, d);
  for (const Site& site : PostNorm(kind).sites()) {
    tensors[site.gamma] = at::rand({d}) + 0.5;
    if (kind == NormKind::kLayerNorm) tensors[site.beta] = 0.2 * at::randn({d});
  }
  return tensors;
}

inline Network post_norm(NormKind kind) {
  Preprocessing preprocessing;
  preprocessing.height = preprocessing.width = PostNorm::kSide;
  preprocessing.crop_pct = 1.0;
  return {std::make_shared<PostNorm>(kind), preprocessing, post_norm_tensors(kind)};
}

}  // namespace normgraft::testing
