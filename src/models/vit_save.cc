#include "vit_save.h"

#include <ATen/ATen.h>

#include <cmath>
#include <string>
#include <vector>

#include "timm_config.h"
#include "timm_names.h"

namespace normgraft {
namespace {

constexpr double kLayerScale = 1e-6;  ///< any number: the tensors replace it

const char* timm_norm(NormKind kind) {
  return kind == NormKind::kLayerNorm ? "layernorm" : "rmsnorm";
}

/// Whether the Linears of these names, within a block, have biases; if one of any block has, all get one.
bool even_biases(const VitConfig& c, const std::vector<std::string>& linears, Tensors& tensors) {
  std::vector<std::string> names;
  bool any = false;
  for (int64_t i = 0; i < c.depth; ++i) {
    for (const std::string& linear : linears) {
      names.push_back(vit_block_name(i, linear));
      any = any || tensors.contains(names.back() + ".bias");
    }
  }
  if (!any) return false;
  for (const std::string& name : names) {
    tensors.emplace(name + ".bias", at::zeros({tensors.at(name + ".weight").size(0)}));
  }
  return true;
}

/// The ratio from which timm gets the hidden channels back: it cuts the product of both off.
double ratio_for(int64_t channels, int64_t hidden) {
  const double ratio = static_cast<double>(hidden) / static_cast<double>(channels);
  const bool cut = static_cast<int64_t>(static_cast<double>(channels) * ratio) != hidden;
  return cut ? std::nextafter(ratio, ratio + 1) : ratio;
}

/// What only some architectures have, and older versions of timm do not know: said where the architecture's
/// name says otherwise, or stands for nothing.
void add_rarities(const VitConfig& c, const VitBlocks& blocks, const Tensors& tensors, Json& arguments) {
  const TimmFacts* facts = timm_facts(c.architecture);
  const auto named = [&](TimmFacts::Flag flag) { return facts != nullptr && facts->has(flag); };
  if (blocks.attention_norm) arguments["scale_attn_norm"] = true;
  if (blocks.mlp_norm) arguments["scale_mlp_norm"] = true;
  if (!c.positions) arguments["pos_embed"] = "none";
  if (c.pool_all_tokens != named(TimmFacts::kPoolsAll)) arguments["pool_include_prefix"] = c.pool_all_tokens;
  const NormKind norm = named(TimmFacts::kRms) ? NormKind::kRmsNorm : NormKind::kLayerNorm;
  if (c.norm != norm) arguments["norm_layer"] = timm_norm(c.norm);
  if (c.patch_norm && !named(TimmFacts::kPatchNorm)) {
    const bool shifted = tensors.contains("patch_embed.norm.bias");
    arguments["embed_norm_layer"] = timm_norm(shifted ? NormKind::kLayerNorm : NormKind::kRmsNorm);
  }
}

/// The keyword arguments with which timm builds the network. The kind of a gated MLP has none: the name says
/// it.
Json model_arguments(const VitConfig& c, const VitBlocks& blocks, Tensors& tensors) {
  std::vector<std::string> linears = {"attn.proj", "mlp.fc2"};
  for (const std::string& first : blocks.first_linears()) linears.push_back("mlp." + first);
  Json arguments = {
      {"img_size", {c.height, c.width}},
      {"patch_size", {c.patch_height, c.patch_width}},
      {"embed_dim", c.channels},
      {"depth", c.depth},
      {"num_heads", c.heads},
      {"mlp_ratio", ratio_for(c.channels, blocks.hidden)},
      {"qkv_bias", even_biases(c, {"attn.qkv"}, tensors)},
      {"proj_bias", even_biases(c, linears, tensors)},
      {"qk_norm", blocks.query_key_norms},
      {"act_layer", c.activation},
      {"init_values", tensors.contains(vit_block_name(0, "ls1.gamma")) ? Json(kLayerScale) : Json()},
      {"class_token", c.class_token},
      {"reg_tokens", c.register_tokens},
      {"no_embed_class", !c.position_after_class_token},
      {"pre_norm", c.pre_norm},
      {"global_pool", timm_pooling(c.pooling)},
      {"fc_norm", c.norm_behind_pooling}};
  add_rarities(c, blocks, tensors, arguments);
  return arguments;
}

}  // namespace

const char* timm_pooling(Pooling pooling) {
  switch (pooling) {
    case Pooling::kToken:
      return "token";
    case Pooling::kAverage:
      return "avg";
    case Pooling::kMax:
      return "max";
    case Pooling::kAverageMax:
      return "avgmax";
    case Pooling::kAttention:
      break;
  }
  return "map";
}

Json vit_json(const VitConfig& c, const VitBlocks& blocks, Tensors& tensors,
              const Preprocessing& preprocessing) {
  Json pretrained = preprocessing_json(preprocessing);
  pretrained.update(Json{{"num_classes", c.classes},
                         {"pool_size", nullptr},
                         {"first_conv", "patch_embed.proj"},
                         {"classifier", c.distilled ? Json{"head", "head_dist"} : Json("head")}});
  Json config{{"architecture", c.architecture},
              {"num_classes", c.classes},
              {"num_features", c.channels},
              {"global_pool", timm_pooling(c.pooling)},
              {"norm_eps", c.eps},
              {"block", kVitBlock},
              {"model_args", model_arguments(c, blocks, tensors)},
              {"pretrained_cfg", pretrained}};
  if (!c.class_names.empty()) config["label_names"] = c.class_names;
  return config;
}

}  // namespace normgraft
