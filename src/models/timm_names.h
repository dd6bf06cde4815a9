#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "normgraft/models/vit.h"

namespace normgraft {

/// What timm's name of a Vision Transformer stands for and its tensors do not show. Source: timm 1.0.31.
struct TimmFacts {
  /// Beyond the columns.
  enum Flag : uint8_t {
    kPatchPositions = 1,  ///< pos_embed covers the patches only
    kPoolsAll = 2,        ///< pooling over all tokens
    kAnySize = 4,         ///< takes pictures of any size
    kRms = 8,             ///< every norm is an RMSNorm
    kPatchNorm = 16,      ///< a norm of the patches
    kBilinear = 32,       ///< positions are resampled bilinearly
  };
  std::string_view name;
  int64_t channels;  ///< D of the architecture, to which its heads belong
  int64_t heads;
  double eps;  ///< of every norm
  std::string_view activation;
  Pooling pooling;
  uint8_t flags;

  bool has(Flag flag) const { return (flags & flag) != 0; }
};

/// The facts of an architecture that is computed; null for any other name.
const TimmFacts* timm_facts(std::string_view name);

/// Why an architecture of timm, whose checkpoints may look like those of an ordinary Vision Transformer, is
/// not computed; nothing for every other name.
std::optional<std::string> timm_refusal(std::string_view name);

/// The same for the names that are spelt out in timm_names.cc alone: for a name that is not the checkpoint's
/// own word.
std::optional<std::string> timm_exact_refusal(std::string_view name);

/// The heads that timm's architectures of D channels have, but for vit_base_patch16_gap_224, vit_giantopt_*
/// and aimv2_*; nothing for a D that none has.
std::optional<int64_t> timm_usual_heads(int64_t channels);

}  // namespace normgraft
