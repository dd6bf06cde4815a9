#include "normgraft/models/vit.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "normgraft/core/error.h"
#include "normgraft/network/kernels.h"
#include "vit_save.h"
#include "vit_tensors.h"

namespace normgraft {
namespace {

LinearNames linear_named(const std::string& name) {
  return {name + ".weight", name + ".bias"};
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

/// A norm that is no site.
Tensor fixed_norm(const Tensors& tensors, const std::string& name, NormKind kind, double eps,
                  const Tensor& x) {
  const Tensor y = normalise(kind, x, eps) * tensors.at(name + ".weight");
  const Tensor beta = find_tensor(tensors, name + ".bias");
  return beta.defined() ? y + beta : y;
}

class Vit : public Architecture {
 public:
  Vit(VitConfig config, VitBlocks blocks) : c_(std::move(config)), blocks_(blocks) {}

  std::string name() const override { return c_.architecture; }
  const VitConfig& own_config() const { return c_; }
  int64_t classes() const override { return c_.classes; }
  std::vector<std::string> class_names() const override { return c_.class_names; }
  int64_t prefix_tokens() const override { return vit_prefix_tokens(c_); }

  std::vector<Site> sites() const override {
    std::vector<Site> sites;
    if (c_.pre_norm) sites.push_back(site("norm_pre", 0));
    for (int64_t i = 0; i < c_.depth; ++i) {
      sites.push_back(site(vit_block_name(i, "norm1"), i));
      sites.back().readers = {linear_named(vit_block_name(i, "attn.qkv"))};
      if (i > 0) sites.back().writer = mlp_of(i - 1);
      sites.push_back(site(vit_block_name(i, "norm2"), i));
      for (const std::string& name : blocks_.first_linears()) {
        sites.back().readers.push_back(linear_named(vit_block_name(i, "mlp." + name)));
      }
      sites.back().writer =
          Writer{linear_named(vit_block_name(i, "attn.proj")), vit_block_name(i, "ls1.gamma")};
    }
    Site last = site(vit_last_norm(c_), c_.depth - 1);
    last.pooled = c_.norm_behind_pooling;
    last.additive = !(last.pooled && takes_largest());
    if (last.pooled) last.tokens = 1;
    last.writer = mlp_of(c_.depth - 1);
    last.readers = readers_of_last();
    sites.push_back(last);
    return sites;
  }

  std::vector<std::string> embedding_tensors() const override {
    std::vector<std::string> names = {"pos_embed", "cls_token", "dist_token", "reg_token"};
    if (!c_.patch_norm) names.insert(names.end(), {"patch_embed.proj.weight", "patch_embed.proj.bias"});
    return names;
  }

  bool embedding_turns() const override { return !c_.patch_norm; }

  Tensor embed(const Operations& with, const Tensor& images) const override {
    const Tensors& tensors = with.tensors();
    const LinearNames proj = linear_named("patch_embed.proj");
    Tensor x = linear(with.keep(Kept::kOperand, proj.weight, patches(c_, images)),
                      tensors.at(proj.weight).flatten(1), find_tensor(tensors, proj.bias));
    if (c_.patch_norm) {
      const bool shifted = tensors.contains("patch_embed.norm.bias");
      x = fixed_norm(tensors, "patch_embed.norm", shifted ? NormKind::kLayerNorm : NormKind::kRmsNorm,
                     c_.patch_norm_eps, x);
    }
    const Tensor positions = find_tensor(tensors, "pos_embed");
    if (positions.defined() && !c_.position_after_class_token) x = x + positions;
    std::vector<Tensor> parts;
    for (const char* name : {"cls_token", "dist_token", "reg_token"}) {
      const Tensor token = find_tensor(tensors, name);
      if (token.defined()) parts.push_back(token.expand({images.size(0), -1, -1}));
    }
    parts.push_back(x);
    x = at::cat(parts, 1);
    return positions.defined() && c_.position_after_class_token ? x + positions : x;
  }

  Tensor branch(const Operations& with, size_t site, const Tensor& normalised) const override {
    const size_t in_blocks = site - (c_.pre_norm ? 1 : 0);
    const auto block = static_cast<int64_t>(in_blocks / 2);
    return in_blocks % 2 == 0 ? attention_of(with, block, normalised) : mlp_inside(with, block, normalised);
  }

  Tensor pool(const Tensor& x) const override {
    if (c_.pooling == Pooling::kToken) return x.select(1, 0);
    const Tensor pooled = pooled_tokens(x);
    if (!takes_largest()) return pooled.mean(1);
    const Tensor largest = pooled.amax(1);
    return c_.pooling == Pooling::kMax ? largest : 0.5 * (largest + pooled.mean(1));
  }

  int64_t tokens_read() const override { return c_.pooling != Pooling::kToken ? 0 : c_.distilled ? 2 : 1; }

  Tensor head(const Operations& with, const Tensor& normalised) const override {
    const auto classify = [&](const char* name, const Tensor& features) {
      return c_.classes > 0 ? with.linear(linear_named(name), features) : features;
    };
    if (c_.norm_behind_pooling) return classify("head", normalised);
    if (c_.pooling == Pooling::kAttention) return classify("head", attention_pool(with, normalised));
    const Tensor first = classify("head", pool(normalised));
    return c_.distilled ? (classify("head_dist", normalised.select(1, 1)) + first) / 2 : first;
  }

  Json facts() const override {
    return {{"input", {3, c_.height, c_.width}},
            {"patch", {c_.patch_height, c_.patch_width}},
            {"tokens", vit_patches(c_) + prefix_tokens()},
            {"channels", c_.channels},
            {"depth", c_.depth},
            {"heads", c_.heads},
            {"norm", c_.norm == NormKind::kLayerNorm ? "LayerNorm" : "RMSNorm"},
            {"eps", c_.eps},
            {"activation", c_.activation},
            {"pooling", pooling_name()}};
  }

  Json config(Tensors& tensors, const Preprocessing& preprocessing) const override {
    return vit_json(c_, vit_blocks(tensors, c_.channels), tensors, preprocessing);
  }

 private:
  Site site(const std::string& name, int64_t block) const {
    Site site;
    site.name = name;
    site.kind = c_.norm;
    site.eps = c_.eps;
    site.tokens = vit_patches(c_) + prefix_tokens();
    site.channels = c_.channels;
    site.gamma = name + ".weight";
    site.beta = name + ".bias";
    site.depth = c_.depth > 1 ? static_cast<double>(block) / static_cast<double>(c_.depth - 1) : 0;
    return site;
  }

  Writer mlp_of(int64_t block) const {
    Writer writer{linear_named(vit_block_name(block, "mlp.fc2")), vit_block_name(block, "ls2.gamma")};
    if (blocks_.mlp == MlpKind::kPlain && !blocks_.mlp_norm) {
      writer.hidden = HiddenUnits{linear_named(vit_block_name(block, "mlp.fc1")), c_.activation};
    }
    return writer;
  }

  bool takes_largest() const { return c_.pooling == Pooling::kMax || c_.pooling == Pooling::kAverageMax; }

  /// The largest of gamma * y + beta is no Linear's input from which gamma and beta could move into it.
  std::vector<LinearNames> readers_of_last() const {
    if (c_.pooling == Pooling::kAttention && !c_.norm_behind_pooling) return {linear_named("attn_pool.kv")};
    if (c_.classes == 0 || (takes_largest() && !c_.norm_behind_pooling)) return {};
    if (c_.distilled) return {linear_named("head"), linear_named("head_dist")};
    return {linear_named("head")};
  }

  const char* pooling_name() const {
    switch (c_.pooling) {
      case Pooling::kToken:
        return "token";
      case Pooling::kAverage:
        return "average";
      case Pooling::kMax:
        return "largest";
      case Pooling::kAverageMax:
        return "average and largest";
      case Pooling::kAttention:
        break;
    }
    return "attention";
  }

  Tensor norm_within(const Tensors& tensors, const std::string& name, const Tensor& x) const {
    return fixed_norm(tensors, name, c_.norm, c_.eps, x);
  }

  /// What enters attn.proj.
  Tensor attention_of(const Operations& with, int64_t block, const Tensor& normalised) const {
    const Tensors& tensors = with.tensors();
    const auto part = [block](std::string_view name) { return vit_block_name(block, name); };
    Tensor qkv = with.linear(linear_named(part("attn.qkv")), normalised);
    if (blocks_.query_key_norms) {
      const auto heads = qkv.unflatten(2, {3, c_.heads, c_.channels / c_.heads}).unbind(2);
      qkv = at::stack({norm_within(tensors, part("attn.q_norm"), heads[0]),
                       norm_within(tensors, part("attn.k_norm"), heads[1]), heads[2]},
                      2)
                .flatten(2);
    }
    const Tensor attended = with.attention(part("attn"), qkv, c_.heads);
    return blocks_.attention_norm ? norm_within(tensors, part("attn.norm"), attended) : attended;
  }

  /// What enters mlp.fc2.
  Tensor mlp_inside(const Operations& with, int64_t block, const Tensor& normalised) const {
    const auto part = [block](const char* name) { return vit_block_name(block, name); };
    const auto names = [&](const char* name) { return linear_named(part(name)); };
    Tensor inside;
    if (blocks_.mlp == MlpKind::kSplit) {
      inside = with.activated(c_.activation, part("mlp.act"), names("mlp.fc1_g"), normalised) *
               with.linear(names("mlp.fc1_x"), normalised);
    } else if (blocks_.mlp == MlpKind::kPacked) {
      const Tensor both = with.keep(Kept::kInner, part("mlp.act"), with.linear(names("mlp.fc1"), normalised));
      const auto halves = both.chunk(2, -1);
      inside = activate(c_.activation, halves[0]) * halves[1];
    } else {
      inside = with.activated(c_.activation, part("mlp.act"), names("mlp.fc1"), normalised);
    }
    return blocks_.mlp_norm ? norm_within(with.tensors(), part("mlp.norm"), inside) : inside;
  }

  Tensor pooled_tokens(const Tensor& x) const { return c_.pool_all_tokens ? x : x.slice(1, prefix_tokens()); }

  /// [B, N, D] -> [B, D]
  Tensor attention_pool(const Operations& with, const Tensor& normalised) const {
    const auto apply = [&](const char* name, const Tensor& x) { return with.linear(linear_named(name), x); };
    const int64_t width = c_.channels / c_.heads;
    const auto by_head = [&](const Tensor& x) { return x.unflatten(-1, {c_.heads, width}).transpose(1, 2); };
    const auto key_value = apply("attn_pool.kv", pooled_tokens(normalised)).chunk(2, -1);
    const Tensor query = by_head(apply("attn_pool.q", with.tensors().at("attn_pool.latent")));
    const Tensor scores =
        at::matmul(query, by_head(key_value[0]).transpose(2, 3)) / std::sqrt(static_cast<double>(width));
    const Tensor attended = at::matmul(scores.softmax(-1), by_head(key_value[1]));  // [B, heads, 1, width]
    const Tensor x = apply("attn_pool.proj", attended.flatten(1));
    const Tensor normed = norm_within(with.tensors(), "attn_pool.norm", x);
    return x + apply("attn_pool.mlp.fc2", with.activated(c_.activation, "attn_pool.mlp.act",
                                                         linear_named("attn_pool.mlp.fc1"), normed));
  }

  VitConfig c_;
  VitBlocks blocks_;
};

}  // namespace

Network make_vit(VitConfig config, Preprocessing preprocessing, Tensors tensors) {
  check_vit(config, tensors);
  if (preprocessing.height != config.height || preprocessing.width != config.width) {
    throw InputError(fmt::format("preprocessing to {}x{} does not fit the model's input of {}x{}",
                                 preprocessing.height, preprocessing.width, config.height, config.width));
  }
  const VitBlocks blocks = vit_blocks(tensors, config.channels);
  return {std::make_shared<Vit>(std::move(config), blocks), std::move(preprocessing), std::move(tensors)};
}

const VitConfig* vit_config(const Network& network) {
  const auto* vit = dynamic_cast<const Vit*>(&network.architecture());
  return vit == nullptr ? nullptr : &vit->own_config();
}

}  // namespace normgraft
