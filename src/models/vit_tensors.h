#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "normgraft/models/vit.h"

namespace normgraft {

/// How a config that we write says that norms stand ahead of their branches, which neither tensors nor timm's
/// arguments say.
inline constexpr const char* kVitBlock = "pre-norm";

/// How an MLP gets from D to the channels that fc2 reads.
enum class MlpKind : uint8_t {
  kPlain,   ///< act(fc1(x))
  kPacked,  ///< act(first half of fc1(x)) * second half
  kSplit,   ///< act(fc1_g(x)) * fc1_x(x)
};

/// What the tensors of the first block show of all blocks.
struct VitBlocks {
  MlpKind mlp = MlpKind::kPlain;
  int64_t hidden = 0;  ///< outputs of fc1 (or fc1_g)
  int64_t inner = 0;   ///< inputs of fc2
  bool query_key_norms = false, attention_norm = false, mlp_norm = false;

  /// The Linears that read norm2, "fc1" or "fc1_g" and "fc1_x".
  std::vector<std::string> first_linears() const;
};

/// For any tensors: what is missing or misshapen is left to check_vit().
VitBlocks vit_blocks(const Tensors& tensors, int64_t channels);

/// Throws InputError for a configuration that makes no network, and for tensors that it does not ask for:
/// names those that are missing, not understood or of the wrong shape.
void check_vit(const VitConfig& config, const Tensors& tensors);

/// "blocks.3.norm1"
std::string vit_block_name(int64_t block, std::string_view part);

/// Patches of a picture.
int64_t vit_patches(const VitConfig& config);

/// Tokens ahead of the patches: class, distillation and register tokens.
int64_t vit_prefix_tokens(const VitConfig& config);

/// The last norm site's name.
std::string vit_last_norm(const VitConfig& config);

/// The norms that are no sites and stay what they are, by their names within a block or the network.
std::vector<std::string> vit_fixed_norms(const VitConfig& config, const VitBlocks& blocks);

}  // namespace normgraft
