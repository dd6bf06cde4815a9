#pragma once

#include "normgraft/vit/vit.h"

namespace normgraft {

/// x [..., D] less its mean over channels.
torch::Tensor without_mean(const torch::Tensor& x);

/// Takes the mean over channels out of everything that is written to the residual stream: the patch
/// embedding, the tokens, the position embedding, the outputs of attention and MLP. Whatever is read from the
/// stream is read through a LayerNorm, which takes that mean away itself, so the logits stay the same up to
/// rounding; but a function of one variable in LayerNorm's place then has the scale of a token left to guess
/// and not its mean. LayerScale moves into the Linear before it. (Known as the step from LayerNorm to
/// RMSNorm, arXiv 2305.14858.)
void centre_stream(Vit& vit);

/// Moves gamma and beta of a site into the Linear that follows: W' = W diag(gamma), b' = b + W beta; gamma
/// becomes 1 and beta 0. With `blind`, that Linear also loses what it says to a number added to all channels,
/// W'' = W' (1 - 1 1' / D): the same for LayerNorm, whose y sums to 0, and a function in its place may add
/// any number to all channels of a token. Throws InputError naming a site that no Linear follows.
void fold_norm(Vit& vit, size_t site, bool blind);

/// Folds every site that a Linear follows, with `blind`. The logits stay the same up to rounding.
void blind_to_mean(Vit& vit);

/// Whether the Linear behind a site does not see a number added to all channels of y.
bool is_blind_to_mean(const Vit& vit, size_t site);

}  // namespace normgraft
