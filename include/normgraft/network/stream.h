#pragma once

#include "normgraft/network/network.h"

namespace normgraft {

/// x [..., D] less its mean over channels.
Tensor without_mean(const Tensor& x);

/// Whether a norm that takes the mean of a token away reads the stream at every site, and every writer is
/// known: what LayerNorm does not see may then be added or taken away. False for RMSNorm.
bool hides_mean(const Network& network);

/// Takes the mean over channels out of everything that is written to the residual stream. Whatever is read
/// from the stream is read through a LayerNorm, which takes that mean away itself, so the result stays the
/// same up to rounding; but a function of one variable in LayerNorm's place then has the scale of a token
/// left to guess and not its mean. LayerScale moves into the Linear before it. (The step from LayerNorm to
/// RMSNorm, arXiv 2305.14858.) hides_mean() must hold.
void centre_stream(Network& network);

/// Moves gamma and beta of a site into the Linears that read it: W' = W diag(gamma), b' = b + W beta; gamma
/// becomes 1 and beta 0. With `blind`, these Linears also lose what they say to a number added to all
/// channels, W'' = W' (1 - 1 1' / D): the same for LayerNorm, whose y sums to 0, and a function in its place
/// may add any number to all channels of a token (Site::carried). Throws InputError naming a site that no
/// Linear reads.
void fold_norm(Network& network, size_t site, bool blind);

/// Folds every site that a Linear reads, with `blind`. The result stays the same up to rounding.
void blind_to_mean(Network& network);

}  // namespace normgraft
