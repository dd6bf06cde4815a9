#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "normgraft/core/carried.h"

namespace normgraft {

/// What a site computes before gamma and beta, over the D channels of a token.
enum class NormKind : uint8_t {
  kLayerNorm,  ///< (x - mean) / sqrt(variance + eps)
  kRmsNorm,    ///< x / sqrt(mean of squares + eps) (arXiv 1910.07467)
};

/// What goes on as the residual stream behind a site, beside the branch that it feeds.
enum class Trunk : uint8_t {
  kInput,   ///< the site's x: norm ahead of the branch, as in ViT
  kOutput,  ///< the normalised tokens: norm behind the sum, as in BERT
};

/// A Linear by the names of its tensors: weight [out, in], bias [out] or absent.
struct LinearNames {
  std::string weight, bias;
};

/// What a Linear reads where that is activation(linear(z)), unit by unit, of what the site before gives, z.
/// More units may then be added to both.
struct HiddenUnits {
  LinearNames linear;
  std::string activation;  ///< what activate() knows
};

/// A Linear whose output is added to the residual stream, through LayerScale where `scale` [D] is there.
struct Writer {
  LinearNames linear;
  std::string scale;  ///< empty, or the name of a tensor that may be absent
  std::optional<HiddenUnits> hidden = {};
};

/// One norm of a network, and its place in the residual stream.
struct Site {
  std::string name;  ///< the checkpoint's, "blocks.3.norm2"
  NormKind kind = NormKind::kLayerNorm;
  double eps = 1e-6;
  int64_t tokens = 0;       ///< N of a picture, 1 behind the pooling
  int64_t channels = 0;     ///< D
  std::string gamma, beta;  ///< tensors [D]; the tensor of beta may be absent, which means 0
  std::vector<LinearNames>
      readers;                   ///< Linears that read gamma * y + beta, and nothing else does; may be empty
  std::optional<Writer> writer;  ///< the Linear that wrote the stream last; nothing: x is no such sum
  Trunk trunk = Trunk::kInput;
  bool pooled = false;   ///< x is what Architecture::pool makes of the tokens of a picture: [B, D]
  bool additive = true;  ///< a number added to all channels of each token only adds one to all channels of x
  double depth = 0;      ///< of its block among all, 0 (first) to 1 (last): the share of stochastic depth
  Carried carried;
};

}  // namespace normgraft
