#pragma once

#include "normgraft/graft/graft.h"
#include "normgraft/graft/yardstick.h"
#include "normgraft/network/carrier.h"

namespace normgraft {

/// The first pictures of a list, in memory, as many as a walk over a network's writers can hold
/// (carry_scale), and at most `most` (0: no further limit): [B, 3, height, width]. Throws InputError naming
/// `stage` where none could be read.
Tensor walk_images(const Network& network, std::vector<Picture> pictures, size_t most,
                   const std::string& stage, Monitor& monitor);

/// What errors cost at the tokens of a network (token_costs), from a few of these images.
CarrierOptions carrier_options(const Network& network, const WalkImages& images);

/// What refit_writers() did.
struct WriterStep {
  Distance before, after;  ///< on the pictures that it was not fitted to
  double seconds = 0;
};

/// Fits the Linears that write the stream again, to the functions that read it (carry_scale with a teacher),
/// the damping chosen by `choose` where there are any, and keeps that where it brings the graft nearer on the
/// held-out pictures. The graft's tokens carry their spread.
WriterStep refit_writers(Graft& graft, const Network& teacher, std::vector<Picture> fit,
                         std::vector<Picture> choose, const Yardstick& held_out, Monitor& monitor);

}  // namespace normgraft
