#pragma once

#include <string>

#include "normgraft/core/monitor.h"
#include "normgraft/graft/graft.h"
#include "normgraft/integer/program.h"
#include "normgraft/quantize/precision.h"

namespace normgraft {

/// The fewest pictures by which ranges are chosen.
inline constexpr int64_t kFewestPictures = 16;

/// What keeps quantize() from taking a network by that many pictures, for a message; empty where it takes it.
/// Plain Vision Transformers only: LayerNorms or proven functions at their sites, those of r x times a
/// function of r, a class token that the head reads, no gated MLPs, no norms but the sites.
std::string why_not_whole(const Graft& graft, int64_t pictures);

/// The program of whole numbers that computes what a network does, as near as its bits allow: post-training,
/// without labels. `images` [B, 3, height, width] show how far its numbers reach. Gamma, beta and LayerScale
/// are folded into the Linears beside them.
///
/// Weights have 8 bits and a step for each output; what enters a Linear has those of `precision`, and so has
/// what it is made of but queries, keys and values, which have 8. r has a step of its own in the stream.
///
/// Throws InputError saying why_not_whole().
IntegerProgram quantize(const Graft& graft, const Precision& precision, const Tensor& images,
                        Monitor& monitor);

}  // namespace normgraft
