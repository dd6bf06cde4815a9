#pragma once

#include "normgraft/cost/roofline.h"
#include "normgraft/graft/graft.h"

namespace normgraft {

/// Which norms a network is counted with.
enum class Norms : uint8_t {
  kOwn,        ///< the graft's, with all that tells r
  kLayerNorm,  ///< LayerNorm at each site, and nothing that tells r
};

/// What a Vision Transformer computes for one picture: its norm sites, each Linear, and the two products of
/// each attention, whose scores stay on the chip. Activations, softmaxes, biases, LayerScale and norms that
/// are no site are not counted: they are computed where a product ends or begins. Linears are told by the
/// names that timm gives their tensors.
NetworkWork network_work(const Graft& graft, Norms norms);

/// A graft beside the same network with its LayerNorms.
AcceleratorCost cost_on(const Accelerator& accelerator, const Graft& graft);

}  // namespace normgraft
