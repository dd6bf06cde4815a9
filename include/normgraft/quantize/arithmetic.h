#pragma once

#include "normgraft/core/monitor.h"
#include "normgraft/network/network.h"
#include "normgraft/quantize/precision.h"

namespace normgraft {

/// Lets a network compute as hardware of that arithmetic would, with F32 in place of its numbers: each number
/// that is kept between two operations is rounded to one that the hardware has. Sums, norms and scalar
/// functions are computed wide and rounded at their end. The logits stay wide.
///
/// Floats: all tensors and all that is kept are rounded; what float16 cannot hold becomes the nearest that it
/// can. Integers: weights have a step for each output channel; those of Linears that are blind to a number
/// added to all channels (Carried::blind) are blind exactly. Biases, positions and the tensors of the first
/// carrier stay wide. What is kept has one step and one zero for all channels and tokens of a place: 8 or 16
/// bits for what enters a Linear and for queries, keys and values; as many for the numerators of a softmax;
/// Precision::stream_bits for the stream, and as many for its r, with a step of its own; 16 between a
/// Linear and an activation, and for scores. Steps are chosen once, by what `images` [B, 3, height, width]
/// show: undefined for floats.
///
/// Drops gradients. The network must be in F32 so far.
void use_arithmetic(Network& network, const Precision& format, const Tensor& images, Monitor& monitor);

}  // namespace normgraft
