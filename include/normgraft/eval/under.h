#pragma once

#include "normgraft/data/preprocess.h"
#include "normgraft/eval/condition.h"
#include "normgraft/network/tensors.h"

namespace normgraft {

/// Pictures [B, 3, H, W], normalised as `preprocessing` says, under a condition: normalised likewise, not
/// rounded to levels. Plain pictures are returned as they are.
Tensor under(Condition condition, const Tensor& images, const Preprocessing& preprocessing);

}  // namespace normgraft
