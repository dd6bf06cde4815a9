#pragma once

#include <string>

#include "normgraft/emit/onnx_graph.h"
#include "normgraft/graft/graft.h"

namespace normgraft {

/// A Vision Transformer as an ONNX file: pictures [B, 3, height, width], normalised, to logits [B, classes],
/// or to features [B, D] where there is no head. Its operators are primitive ones, of at most four
/// dimensions; gamma, beta, LayerScale and the scale of the scores are in the Linears beside them. A norm
/// that stays is LayerNormalization at opset 17, and before that ReduceMean and what follows.
///
/// `source` says where the network comes from. Throws InputError, and then has written nothing, for what is
/// not supported: networks that are no ViTs, gated MLPs, attention pooling, and a norm that stays where a
/// channel tells r.
OnnxExport write_onnx(const Graft& graft, const OnnxOptions& options, const std::string& source,
                      const Path& path);

/// A copy that computes GELU by tanh (Architecture::facts() says "gelu_tanh"), for targets without Erf.
/// Throws InputError for a network whose activation is another than "gelu".
Graft with_gelu_by_tanh(const Graft& graft);

}  // namespace normgraft
