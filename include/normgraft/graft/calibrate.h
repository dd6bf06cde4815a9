#pragma once

#include "normgraft/data/loader.h"
#include "normgraft/graft/graft.h"

namespace normgraft {

/// Refits gamma and beta of every grafted site, channel by channel, in closed form and one pass over the
/// pictures: at each site the least squares of the teacher's output gamma*y + beta on f(x), with x as it is in the
/// teacher. No labels, no gradients. A channel whose f(x) does not vary keeps its gamma.
void calibrate_affine(Graft& graft, const Vit& teacher, Loader& pictures, int64_t picture_count, Monitor& monitor);

}  // namespace normgraft
