#include "vit_tensors.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <utility>

#include "normgraft/core/error.h"
#include "normgraft/network/kernels.h"

namespace normgraft {
namespace {

using Shape = std::vector<int64_t>;

constexpr size_t kNamesShown = 5;

void check_config(const VitConfig& c) {
  const auto require = [](bool holds, const std::string& what) {
    if (!holds) throw InputError("model configuration: " + what);
  };
  const auto positive = [&](const char* name, int64_t value) {
    require(value > 0, fmt::format("{} is {}, expected at least 1", name, value));
  };
  positive("height", c.height);
  positive("width", c.width);
  positive("patch height", c.patch_height);
  positive("patch width", c.patch_width);
  positive("channels", c.channels);
  positive("depth", c.depth);
  positive("heads", c.heads);
  require(c.classes >= 0 && c.register_tokens >= 0,
          "the numbers of classes and register tokens cannot be negative");
  require(c.channels % c.heads == 0,
          fmt::format("{} channels cannot be divided among {} heads", c.channels, c.heads));
  require(c.height >= c.patch_height && c.width >= c.patch_width,
          fmt::format("input {}x{} is smaller than a patch of {}x{}", c.height, c.width, c.patch_height,
                      c.patch_width));
  require(c.eps >= 0, fmt::format("eps is {}, expected at least 0", c.eps));
  check_activation(c.activation);
  require(c.class_token || c.pooling != Pooling::kToken, "without a class token it cannot be what is pooled");
  require(c.pooling != Pooling::kAttention || !c.norm_behind_pooling,
          "a norm behind attention pooling is not computed");
  require(!c.distilled || (c.class_token && c.pooling == Pooling::kToken && !c.norm_behind_pooling),
          "a distillation token needs a class token, and both to be what is pooled");
}

/// The tensors that a configuration asks for.
class Expected {
 public:
  Expected(const VitConfig& c, const VitBlocks& blocks) : c_(c), blocks_(blocks) {
    const int64_t d = c.channels, prefix = vit_prefix_tokens(c);
    required["patch_embed.proj.weight"] = {d, 3, c.patch_height, c.patch_width};
    optional["patch_embed.proj.bias"] = {d};
    if (c.patch_norm) {
      required["patch_embed.norm.weight"] = {d};
      optional["patch_embed.norm.bias"] = {d};
    }
    if (c.positions) {
      required["pos_embed"] = {1, vit_patches(c) + (c.position_after_class_token ? prefix : 0), d};
    }
    if (c.class_token) required["cls_token"] = {1, 1, d};
    if (c.distilled) required["dist_token"] = {1, 1, d};
    if (c.register_tokens > 0) required["reg_token"] = {1, c.register_tokens, d};
    if (c.pre_norm) norm("norm_pre", d);
    for (int64_t i = 0; i < c.depth; ++i) block(i);
    norm(vit_last_norm(c), d);
    if (c.pooling == Pooling::kAttention) attention_pool();
    if (c.classes > 0) linear("head", d, c.classes);
    if (c.classes > 0 && c.distilled) linear("head_dist", d, c.classes);
  }

  std::map<std::string, Shape> required, optional;

 private:
  void norm(const std::string& name, int64_t channels) {
    required[name + ".weight"] = {channels};
    (c_.norm == NormKind::kRmsNorm ? optional : required)[name + ".bias"] = {channels};
  }

  void linear(const std::string& name, int64_t in, int64_t out, bool bias_required = true) {
    required[name + ".weight"] = {out, in};
    (bias_required ? required : optional)[name + ".bias"] = {out};
  }

  void block(int64_t i) {
    const int64_t d = c_.channels;
    const auto part = [i](std::string_view name) { return vit_block_name(i, name); };
    norm(part("norm1"), d);
    linear(part("attn.qkv"), d, 3 * d, false);
    if (blocks_.query_key_norms) {
      norm(part("attn.q_norm"), d / c_.heads);
      norm(part("attn.k_norm"), d / c_.heads);
    }
    if (blocks_.attention_norm) norm(part("attn.norm"), d);
    linear(part("attn.proj"), d, d, false);
    norm(part("norm2"), d);
    for (const std::string& name : blocks_.first_linears())
      linear(part("mlp." + name), d, blocks_.hidden, false);
    if (blocks_.mlp_norm) norm(part("mlp.norm"), blocks_.inner);
    linear(part("mlp.fc2"), blocks_.inner, d, false);
    optional[part("ls1.gamma")] = {d};
    optional[part("ls2.gamma")] = {d};
  }

  void attention_pool() {
    const int64_t d = c_.channels;
    required["attn_pool.latent"] = {1, 1, d};
    linear("attn_pool.q", d, d);
    linear("attn_pool.kv", d, 2 * d);
    linear("attn_pool.proj", d, d);
    norm("attn_pool.norm", d);
    linear("attn_pool.mlp.fc1", d, blocks_.hidden);
    linear("attn_pool.mlp.fc2", blocks_.hidden, d);
  }

  const VitConfig& c_;
  const VitBlocks& blocks_;
};

std::string first_few(const std::vector<std::string>& names) {
  const size_t shown = std::min(names.size(), kNamesShown);
  const std::string list = fmt::format("{}", fmt::join(names.begin(), names.begin() + shown, ", "));
  return shown == names.size() ? list : fmt::format("{} and {} more", list, names.size() - shown);
}

void check_names(const Expected& expected, const Tensors& tensors) {
  std::vector<std::string> missing;
  for (const auto& [name, shape] : expected.required) {
    if (!tensors.contains(name)) missing.push_back(name);
  }
  std::vector<std::string> unknown;
  for (const auto& [name, tensor] : tensors) {
    if (!expected.required.contains(name) && !expected.optional.contains(name)) unknown.push_back(name);
  }
  if (!missing.empty()) {
    throw InputError(fmt::format(
        "not a Vision Transformer of this kind: {} tensors are missing: {}{}", missing.size(),
        first_few(missing), unknown.empty() ? "" : fmt::format("; not understood: {}", first_few(unknown))));
  }
  if (!unknown.empty()) {
    throw InputError(fmt::format("not a Vision Transformer of this kind: {} tensors are not understood: {}",
                                 unknown.size(), first_few(unknown)));
  }
}

void check_shapes(const std::map<std::string, Shape>& shapes, const Tensors& tensors) {
  for (const auto& [name, shape] : shapes) {
    const auto found = tensors.find(name);
    if (found != tensors.end() && found->second.sizes() != shape) {
      throw InputError(fmt::format("tensor \"{}\" has shape [{}], expected [{}]", name,
                                   fmt::join(found->second.sizes(), ", "), fmt::join(shape, ", ")));
    }
  }
}

/// A size of a matrix; `otherwise` where there is no such matrix.
int64_t matrix_size(const Tensors& tensors, const std::string& name, int64_t dim, int64_t otherwise) {
  const Tensor found = find_tensor(tensors, name);
  return found.defined() && found.dim() == 2 ? found.size(dim) : otherwise;
}

}  // namespace

std::vector<std::string> VitBlocks::first_linears() const {
  if (mlp == MlpKind::kSplit) return {"fc1_g", "fc1_x"};
  return {"fc1"};
}

VitBlocks vit_blocks(const Tensors& tensors, int64_t channels) {
  const auto shows = [&](const char* part) { return tensors.contains(vit_block_name(0, part)); };
  VitBlocks blocks;
  const bool split = shows("mlp.fc1_g.weight");
  const std::string first = vit_block_name(0, split ? "mlp.fc1_g.weight" : "mlp.fc1.weight");
  blocks.hidden = matrix_size(tensors, first, 0, 4 * channels);
  blocks.inner = matrix_size(tensors, vit_block_name(0, "mlp.fc2.weight"), 1, blocks.hidden);
  const bool packed = !split && blocks.hidden == 2 * blocks.inner;
  blocks.mlp = split ? MlpKind::kSplit : packed ? MlpKind::kPacked : MlpKind::kPlain;
  if (!packed) blocks.inner = blocks.hidden;
  blocks.query_key_norms = shows("attn.q_norm.weight");
  blocks.attention_norm = shows("attn.norm.weight");
  blocks.mlp_norm = shows("mlp.norm.weight");
  return blocks;
}

void check_vit(const VitConfig& config, const Tensors& tensors) {
  check_config(config);
  const VitBlocks blocks = vit_blocks(tensors, config.channels);
  const Expected expected(config, blocks);
  check_names(expected, tensors);
  check_shapes(expected.required, tensors);
  check_shapes(expected.optional, tensors);
}

std::string vit_block_name(int64_t block, std::string_view part) {
  return fmt::format("blocks.{}.{}", block, part);
}

int64_t vit_patches(const VitConfig& c) {
  return (c.height / c.patch_height) * (c.width / c.patch_width);
}

int64_t vit_prefix_tokens(const VitConfig& c) {
  return (c.class_token ? 1 : 0) + (c.distilled ? 1 : 0) + c.register_tokens;
}

std::string vit_last_norm(const VitConfig& c) {
  return c.norm_behind_pooling ? "fc_norm" : "norm";
}

std::vector<std::string> vit_fixed_norms(const VitConfig& config, const VitBlocks& blocks) {
  const std::pair<bool, std::string> norms[] = {
      {config.patch_norm, "patch_embed.norm"}, {blocks.query_key_norms, "attn.q_norm"},
      {blocks.query_key_norms, "attn.k_norm"}, {blocks.attention_norm, "attn.norm"},
      {blocks.mlp_norm, "mlp.norm"},           {config.pooling == Pooling::kAttention, "attn_pool.norm"}};
  std::vector<std::string> fixed;
  for (const auto& [there, name] : norms) {
    if (there) fixed.push_back(name);
  }
  return fixed;
}

}  // namespace normgraft
