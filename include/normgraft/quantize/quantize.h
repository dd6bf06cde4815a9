#pragma once

#include "normgraft/core/monitor.h"
#include "normgraft/graft/graft.h"
#include "normgraft/integer/program.h"
#include "normgraft/quantize/precision.h"

namespace normgraft {

/// The fewest pictures by which ranges are chosen.
inline constexpr int64_t kFewestPictures = 16;

/// The program of whole numbers that computes what a network does, as near as its bits allow: post-training,
/// without labels. `images` [B, 3, height, width] show how far its numbers reach. Gamma, beta and LayerScale
/// are folded into the Linears beside them. Plain Vision Transformers only: LayerNorms or functions at their
/// sites, a class token that the head reads, no gated MLPs, no norms but the sites.
///
/// Weights have 8 bits and a step for each output; what enters a Linear has those of `precision`, and so has
/// what it is made of but queries, keys and values, which have 8. r has a step of its own in the stream.
///
/// Throws InputError naming what is not supported, a function that has no proven range, and too few pictures.
IntegerProgram quantize(const Graft& graft, const Precision& precision, const Tensor& images,
                        Monitor& monitor);

}  // namespace normgraft
