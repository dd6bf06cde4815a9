#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "normgraft/network/network.h"

namespace normgraft {

/// What a forward pass left at the norm sites, x and y before gamma and beta, in a graph that begins at the y
/// of the first: parameters are constants in it.
struct SiteTrace {
  Tensor logits;             ///< [B, classes]
  std::vector<Tensor> x, y;  ///< of each site
};

/// For gradients of the logits by x and y of all sites from one pass. With gradients enabled.
SiteTrace trace_sites(const Network& network, const Tensor& images);

/// A direction v [B, classes] of the logits for each row p of `prediction` [B, classes], drawn so that the
/// expectation of v v' is diag(p) - p p', the Fisher information of the logits: E[(v . e)^2] is twice the
/// divergence that an error e of the logits causes, to second order. v = s sqrt(p) - p (s . sqrt(p)) with
/// random signs s: every class takes part in each draw, where a sampled label would nearly always be the top
/// one. `pictures` are the numbers of the B pictures: with `probe` and `seed` they name the random stream.
Tensor draw_probe(const Tensor& prediction, std::span<const int64_t> pictures, int probe, uint64_t seed);

}  // namespace normgraft
