#pragma once

#include <array>
#include <optional>

#include "normgraft/vit/vit.h"

namespace normgraft {

/// Attention sinks are a few tokens to which one hidden unit of an MLP gives one huge channel (ViT-Tiny augreg: unit 417
/// of block 7, on in the corner patches). LayerNorm then divides all their other channels by a large number, so that they
/// draw attention and say nothing; a function of x alone sees those channels at full size. A SinkLift adds a number to all
/// channels of such tokens, which LayerNorm takes away again, so that their x lies where no other token's does and a
/// function can be silent there.
///
/// The number is written by two hidden units of the same MLP, the carriers: two steps of the sinks' own unit, a little
/// apart, with opposite signs, so that a token gets all of it or, nearly always, nothing, however far a graft drifts.
struct SinkLift {
  struct Carrier {
    int64_t unit = 0;  ///< a hidden unit of little effect, which gives way
    double mean = 0;   ///< what it held on average, which goes into the bias behind it
  };

  int64_t block = 0;     ///< whose MLP makes the sinks, from 0
  int64_t unit = 0;      ///< its hidden unit that is on for sinks and off for all others
  double threshold = 0;  ///< of that unit before its activation; above 0
  double offset = 0;     ///< added to all channels of sinks
  std::array<Carrier, 2> carriers;
};

/// Looks for sinks in images [B, 3, height, width]: tokens whose spread over channels is more than six times the median
/// behind an MLP and was not before it, in every second picture at least. Nothing where there are none, or no hidden unit
/// of that MLP tells them apart.
std::optional<SinkLift> find_sinks(const Vit& vit, const torch::Tensor& images);

/// Rewrites the MLP. The logits stay the same but for what the carriers did. Throws InputError when the model has no such
/// block or unit.
void lift_sinks(Vit& vit, const SinkLift& lift);

}  // namespace normgraft
