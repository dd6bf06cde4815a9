#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <span>

namespace normgraft {

/// A direction v [B, classes] of the logits for each row p of `prediction` [B, classes], drawn so that the expectation
/// of v v' is diag(p) - p p', the Fisher information of the logits: E[(v . e)^2] is twice the divergence that an error
/// e of the logits causes, to second order. v = s sqrt(p) - p (s . sqrt(p)) with random signs s: every class takes part
/// in each draw, where a sampled label would nearly always be the top one. `pictures` are the numbers of the B
/// pictures: with `probe` and `seed` they name the random stream.
torch::Tensor draw_probe(const torch::Tensor& prediction, std::span<const int64_t> pictures, int probe, uint64_t seed);

}  // namespace normgraft
