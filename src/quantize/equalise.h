#pragma once

#include "normgraft/network/network.h"
#include "ranges.h"

namespace normgraft {

/// Whether the channels of the stream may have scales of their own for nothing: each site is x times a
/// function of r, so that what writes a channel and what reads it take up its scale.
bool can_equalise(const Network& network);

/// Scales the channels of the stream (scale_channels) by how far each reaches at the sites, as `seen` there,
/// so that the far ones take less of the codes of the others: a stream of 8 bits by all of it, one of 16 by
/// its root, as what it gains is in y alone, and the weights behind pay. (SmoothQuant, arXiv 2211.10438,
/// equation 4, for the whole stream.) can_equalise() must hold. Returns the scales [D], F64.
Tensor equalise(Network& network, const std::map<std::string, RangeWatcher::Place>& seen, int stream_bits);

}  // namespace normgraft
