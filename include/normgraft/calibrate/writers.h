#pragma once

#include "normgraft/graft/graft.h"
#include "normgraft/graft/yardstick.h"

namespace normgraft {

/// The first pictures of a list, in memory, as many as a walk over a network's writers can hold
/// (carry_scale), and at most `most` (0: no further limit): [B, 3, height, width]. Throws InputError naming
/// `stage` where none could be read.
Tensor walk_images(const Network& network, std::vector<Picture> pictures, size_t most,
                   const std::string& stage, Monitor& monitor);

/// What refit_writers() did.
struct WriterStep {
  Distance before, after;  ///< on the pictures that it was not fitted to
  double seconds = 0;
};

/// Fits the Linears that write the stream again, to the functions that read it (carry_scale with a teacher),
/// where that brings the graft nearer on the held-out pictures. The mean of the graft's tokens carries their
/// scale.
WriterStep refit_writers(Graft& graft, const Network& teacher, std::vector<Picture> pictures,
                         const Yardstick& held_out, Monitor& monitor);

}  // namespace normgraft
