#pragma once

#include <string>
#include <vector>

#include "normgraft/network/network.h"

namespace normgraft {

/// The architecture of a Vision Transformer, in the shape letters B pictures, N tokens, D channels.
struct VitConfig {
  std::string architecture;  ///< timm's name, "deit_tiny_patch16_224"
  int64_t height = 224, width = 224;
  int64_t patch_height = 16, patch_width = 16;
  int64_t channels = 192;  ///< D
  int64_t depth = 12;
  int64_t heads = 3;
  int64_t classes = 1000;           ///< 0: no head, features are returned
  std::vector<std::string> class_names;  ///< one for each class, or none
  double eps = 1e-6;                ///< of every LayerNorm
  std::string activation = "gelu";  ///< what activate() knows
  bool average_pool = false;  ///< mean over patch tokens, then fc_norm, instead of norm and the class token
  bool norm_before_pool = false;  ///< with average_pool: norm over all tokens before the mean, no fc_norm
  bool class_token = true;
  bool distilled = false;  ///< a distillation token and a second head, averaged
  int64_t register_tokens = 0;
  bool position_after_class_token = true;  ///< false: pos_embed covers the patches only (no_embed_class)
  bool pre_norm = false;                   ///< a LayerNorm `norm_pre` before the blocks
};

/// A Vision Transformer over timm's tensors. Throws InputError: names the tensors that are missing, of the wrong shape,
/// not understood, or not finite.
Network make_vit(VitConfig config, Preprocessing preprocessing, Tensors tensors);

}  // namespace normgraft
