#include "normgraft/models/vit.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "normgraft/core/error.h"
#include "normgraft/network/kernels.h"
#include "timm_config.h"
#include "vit_tensors.h"

namespace normgraft {
namespace {

LinearNames linear_named(const std::string& name) {
  return {name + ".weight", name + ".bias"};
}

std::string block_name(int64_t block, std::string_view part) {
  return fmt::format("blocks.{}.{}", block, part);
}

int64_t patch_count(const VitConfig& c) {
  return (c.height / c.patch_height) * (c.width / c.patch_width);
}

/// [B, 3, height, width] -> the pixels of each patch [B, patches, 3 * patch height * patch width]; what is
/// left of the picture to the right and below is not seen.
Tensor patches(const VitConfig& c, const Tensor& images) {
  const int64_t batch = images.size(0), ph = c.patch_height, pw = c.patch_width;
  const int64_t rows = c.height / ph, columns = c.width / pw;
  return images.slice(2, 0, rows * ph)
      .slice(3, 0, columns * pw)
      .reshape({batch, 3, rows, ph, columns, pw})
      .permute({0, 2, 4, 1, 3, 5})
      .reshape({batch, rows * columns, 3 * ph * pw});
}

class Vit : public Architecture {
 public:
  explicit Vit(VitConfig config) : c_(std::move(config)) {}

  std::string name() const override { return c_.architecture; }
  int64_t classes() const override { return c_.classes; }
  std::vector<std::string> class_names() const override { return c_.class_names; }
  int64_t prefix_tokens() const override { return vit_prefix_tokens(c_); }

  std::vector<Site> sites() const override {
    std::vector<Site> sites;
    if (c_.pre_norm) sites.push_back(site("norm_pre", 0));
    for (int64_t i = 0; i < c_.depth; ++i) {
      sites.push_back(site(block_name(i, "norm1"), i));
      sites.back().readers = {linear_named(block_name(i, "attn.qkv"))};
      if (i > 0) sites.back().writer = mlp_of(i - 1);
      sites.push_back(site(block_name(i, "norm2"), i));
      sites.back().readers = {linear_named(block_name(i, "mlp.fc1"))};
      sites.back().writer = Writer{linear_named(block_name(i, "attn.proj")), block_name(i, "ls1.gamma")};
    }
    Site last = site(vit_last_norm(c_), c_.depth - 1);
    last.pooled = c_.average_pool && !c_.norm_before_pool;
    if (last.pooled) last.tokens = 1;
    last.writer = mlp_of(c_.depth - 1);
    if (c_.classes > 0) last.readers.push_back(linear_named("head"));
    if (c_.classes > 0 && c_.distilled) last.readers.push_back(linear_named("head_dist"));
    sites.push_back(last);
    return sites;
  }

  std::vector<std::string> embedding_tensors() const override {
    return {"patch_embed.proj.weight", "patch_embed.proj.bias", "pos_embed", "cls_token", "dist_token", "reg_token"};
  }

  Tensor embed(const Tensors& tensors, const Tensor& images) const override {
    Tensor x = linear(patches(c_, images), tensors.at("patch_embed.proj.weight").flatten(1),
                      find_tensor(tensors, "patch_embed.proj.bias"));
    const Tensor& positions = tensors.at("pos_embed");
    if (!c_.position_after_class_token) x = x + positions;
    std::vector<Tensor> parts;
    for (const char* name : {"cls_token", "dist_token", "reg_token"}) {
      const Tensor token = find_tensor(tensors, name);
      if (token.defined()) parts.push_back(token.expand({images.size(0), -1, -1}));
    }
    parts.push_back(x);
    x = at::cat(parts, 1);
    return c_.position_after_class_token ? x + positions : x;
  }

  Tensor branch(const Tensors& tensors, size_t site, const Tensor& normalised) const override {
    const size_t in_blocks = site - (c_.pre_norm ? 1 : 0);
    const auto block = static_cast<int64_t>(in_blocks / 2);
    if (in_blocks % 2 == 0) {
      return attention(linear(tensors, linear_named(block_name(block, "attn.qkv")), normalised), c_.heads);
    }
    return activate(c_.activation, linear(tensors, linear_named(block_name(block, "mlp.fc1")), normalised));
  }

  Tensor pool(const Tensor& x) const override { return x.slice(1, prefix_tokens()).mean(1); }

  int64_t tokens_read() const override { return c_.average_pool ? 0 : c_.distilled ? 2 : 1; }

  Tensor head(const Tensors& tensors, const Tensor& normalised) const override {
    const auto classify = [&](const char* name, const Tensor& features) {
      return c_.classes > 0 ? linear(tensors, linear_named(name), features) : features;
    };
    if (c_.average_pool) return classify("head", c_.norm_before_pool ? pool(normalised) : normalised);
    const Tensor first = classify("head", normalised.select(1, 0));
    return c_.distilled ? (classify("head_dist", normalised.select(1, 1)) + first) / 2 : first;
  }

  Json facts() const override {
    return {{"input", {3, c_.height, c_.width}},
            {"patch", {c_.patch_height, c_.patch_width}},
            {"tokens", patch_count(c_) + prefix_tokens()},
            {"channels", c_.channels},
            {"depth", c_.depth},
            {"heads", c_.heads},
            {"eps", c_.eps},
            {"activation", c_.activation},
            {"pooling", c_.average_pool ? "average" : "token"}};
  }

  Json config(Tensors& tensors, const Preprocessing& preprocessing) const override {
    give_all_blocks_biases(tensors);
    Json pretrained = preprocessing_json(preprocessing);
    pretrained.update(Json{{"num_classes", c_.classes},
                           {"pool_size", nullptr},
                           {"first_conv", "patch_embed.proj"},
                           {"classifier", c_.distilled ? Json{"head", "head_dist"} : Json("head")}});
    Json config{{"architecture", c_.architecture},
            {"num_classes", c_.classes},
            {"num_features", c_.channels},
            {"global_pool", c_.average_pool ? "avg" : "token"},
            {"norm_eps", c_.eps},
            {"model_args", model_arguments(tensors)},
            {"pretrained_cfg", pretrained}};
    if (!c_.class_names.empty()) config["label_names"] = c_.class_names;
    return config;
  }

 private:
  Site site(const std::string& name, int64_t block) const {
    Site site;
    site.name = name;
    site.eps = c_.eps;
    site.tokens = patch_count(c_) + prefix_tokens();
    site.channels = c_.channels;
    site.gamma = name + ".weight";
    site.beta = name + ".bias";
    site.depth = c_.depth > 1 ? static_cast<double>(block) / static_cast<double>(c_.depth - 1) : 0;
    return site;
  }

  static Writer mlp_of(int64_t block) {
    return {linear_named(block_name(block, "mlp.fc2")), block_name(block, "ls2.gamma")};
  }

  /// timm knows qkv biases in all blocks or in none; folding a norm site gives one to its block alone.
  void give_all_blocks_biases(Tensors& tensors) const {
    std::vector<std::string> absent;
    for (int64_t i = 0; i < c_.depth; ++i) {
      const std::string name = block_name(i, "attn.qkv.bias");
      if (!tensors.contains(name)) absent.push_back(name);
    }
    if (static_cast<int64_t>(absent.size()) == c_.depth) return;
    for (const std::string& name : absent) tensors[name] = at::zeros({3 * c_.channels});
  }

  /// The keyword arguments with which timm builds the network.
  Json model_arguments(const Tensors& tensors) const {
    Json arguments = {{"img_size", {c_.height, c_.width}},
                      {"patch_size", {c_.patch_height, c_.patch_width}},
                      {"embed_dim", c_.channels},
                      {"depth", c_.depth},
                      {"num_heads", c_.heads},
                      {"mlp_ratio", ratio_for(c_.channels, tensors.at("blocks.0.mlp.fc1.weight").size(0))},
                      {"qkv_bias", tensors.contains("blocks.0.attn.qkv.bias")},
                      {"act_layer", c_.activation}};
    if (c_.average_pool) arguments["fc_norm"] = !c_.norm_before_pool;
    if (!c_.class_token) arguments["class_token"] = false;
    if (!c_.position_after_class_token) arguments["no_embed_class"] = true;
    if (c_.register_tokens > 0) arguments["reg_tokens"] = c_.register_tokens;
    if (c_.pre_norm) arguments["pre_norm"] = true;
    if (tensors.contains("blocks.0.ls1.gamma")) arguments["init_values"] = kLayerScale;
    return arguments;
  }

  /// The ratio from which timm gets the hidden channels back: it cuts the product of both off.
  static double ratio_for(int64_t channels, int64_t hidden) {
    const double ratio = static_cast<double>(hidden) / static_cast<double>(channels);
    const bool cut = static_cast<int64_t>(static_cast<double>(channels) * ratio) != hidden;
    return cut ? std::nextafter(ratio, ratio + 1) : ratio;
  }

  static constexpr double kLayerScale = 1e-6;  ///< any number: the tensors replace it

  VitConfig c_;
};

}  // namespace

Network make_vit(VitConfig config, Preprocessing preprocessing, Tensors tensors) {
  check_vit(config, tensors);
  if (preprocessing.height != config.height || preprocessing.width != config.width) {
    throw InputError(fmt::format("preprocessing to {}x{} does not fit the model's input of {}x{}",
                                 preprocessing.height, preprocessing.width, config.height, config.width));
  }
  return {std::make_shared<Vit>(std::move(config)), std::move(preprocessing), std::move(tensors)};
}

}  // namespace normgraft
