#pragma once

#include <torch/torch.h>

#include "normgraft/data/loader.h"

namespace normgraft {

/// The pixels of a batch as a tensor [B, 3, height, width] that shares them: keep the batch alive.
torch::Tensor images_tensor(const Batch& batch, const Preprocessing& preprocessing);

/// The labels of a batch, int64 [B], likewise.
torch::Tensor labels_tensor(const Batch& batch);

}  // namespace normgraft
