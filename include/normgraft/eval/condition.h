#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string>

#include "normgraft/data/preprocess.h"

namespace normgraft {

/// What befalls a picture before a model sees it. LayerNorm takes away the scale of its input, which contrast
/// and blur change; a scalar function does not.
enum class Condition : uint8_t {
  kPlain,     ///< nothing
  kContrast,  ///< every value half as far from the picture's mean luma
  kBlur,      ///< a Gaussian, sigma 2 pixels at a height of 224 and in proportion at others, edges replicated
};

/// "plain", "contrast" or "blur"; throws InputError naming these.
Condition condition_named(const std::string& name);
std::string to_string(Condition condition);

/// Pictures [B, 3, H, W], normalised as `preprocessing` says, under a condition: normalised likewise, not
/// rounded to levels. Plain pictures are returned as they are.
torch::Tensor under(Condition condition, const torch::Tensor& images, const Preprocessing& preprocessing);

}  // namespace normgraft
