#pragma once

#include "normgraft/capture/pairs.h"
#include "normgraft/data/loader.h"
#include "normgraft/graft/graft.h"

namespace normgraft {

/// Refits gamma and beta of every grafted site, channel by channel, in closed form and one pass over the
/// pictures: at each site the weighted least squares of the teacher's output gamma*y + beta on f(x), with x
/// as it is in the teacher, drawn towards the gamma and beta that are there as if the site's other channels
/// spoke for them. No labels, no gradients of parameters.
void calibrate_affine(Graft& graft, const Network& teacher, Loader& pictures, int64_t picture_count,
                      const PairOptions& options, Monitor& monitor);

}  // namespace normgraft
