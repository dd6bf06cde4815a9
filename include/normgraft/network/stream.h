#pragma once

#include "normgraft/network/network.h"

namespace normgraft {

/// x [..., D] less its mean over channels.
Tensor without_mean(const Tensor& x);

/// x [..., D] with 0 in channel 0, where a carrier is (Carried::channel).
Tensor without_carrier(const Tensor& x);

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

/// Whether free_channel() can be applied.
bool can_free_channel(const Network& network);

/// Frees a channel of the stream: centres it, folds every site, and turns the basis of the channels so that
/// the direction that centring emptied becomes channel 0 (Carried::channel), which is 0 and which no norm and
/// no reader sees. x enters the Linears linearly, so turning costs nothing (Q W in writers, W Q' in readers,
/// arXiv 2401.15024). The result stays the same up to rounding. can_free_channel() must hold.
void free_channel(Network& network);

/// Divides each channel of the stream by its scale [D], F64, > 0: what writes it by the scale, what reads it
/// times it. A network whose sites are x times functions of r, channel 0, computes what it computed before
/// where channel 0 keeps its scale of 1. (What SmoothQuant, arXiv 2211.10438, does ahead of a Linear, for the
/// whole stream.)
void scale_channels(Network& network, const Tensor& scale);

/// Folds every site that a Linear reads, with `blind`. The result stays the same up to rounding.
void blind_to_mean(Network& network);

}  // namespace normgraft
