#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normgraft/network/network.h"

namespace normgraft {

/// What becomes of the tokens behind the blocks. Pooling over tokens leaves out those ahead of the patches,
/// unless VitConfig::pool_all_tokens.
enum class Pooling : uint8_t {
  kToken,       ///< the class token; with a distillation token, both
  kAverage,     ///< the mean
  kMax,         ///< the largest of each channel
  kAverageMax,  ///< half of the sum of both
  kAttention,   ///< what a learnt query attends to (timm's AttentionPoolLatent)
};

/// The architecture of a Vision Transformer, in the shape letters B pictures, N tokens, D channels.
struct VitConfig {
  std::string architecture;  ///< timm's name, "deit_tiny_patch16_224"
  int64_t height = 224, width = 224;
  int64_t patch_height = 16, patch_width = 16;
  int64_t channels = 192;  ///< D
  int64_t depth = 12;
  int64_t heads = 3;
  int64_t classes = 1000;                ///< 0: no head, features are returned
  std::vector<std::string> class_names;  ///< one for each class, or none
  NormKind norm = NormKind::kLayerNorm;  ///< of every norm but that of the patches
  double eps = 1e-6;                     ///< of every norm but that of the patches
  std::string activation = "gelu";       ///< what activate() knows
  Pooling pooling = Pooling::kToken;
  bool norm_behind_pooling = false;  ///< `fc_norm` over what is pooled, instead of `norm` over all tokens
  bool pool_all_tokens = false;      ///< those ahead of the patches too
  bool class_token = true;
  bool distilled = false;  ///< a distillation token and a second head, averaged
  int64_t register_tokens = 0;
  bool positions = true;                   ///< false: no pos_embed
  bool position_after_class_token = true;  ///< false: pos_embed covers the patches only (no_embed_class)
  bool pre_norm = false;                   ///< a norm `norm_pre` before the blocks
  bool patch_norm = false;  ///< a norm `patch_embed.norm` of the patches; without bias it is an RMSNorm
  double patch_norm_eps = 1e-6;
};

/// A Vision Transformer over timm's tensors. What they show needs no word in the configuration: biases that
/// are absent, LayerScale, gated MLPs, norms of queries and keys and within the branches. Throws InputError:
/// names the tensors that are missing, of the wrong shape, not understood, or not finite.
Network make_vit(VitConfig config, Preprocessing preprocessing, Tensors tensors);

/// The configuration of a network that make_vit() made; null for one of another family.
const VitConfig* vit_config(const Network& network);

}  // namespace normgraft
