#pragma once

#include <torch/torch.h>

#include <functional>
#include <vector>

#include "normgraft/data/loader.h"

namespace normgraft {

/// The pixels of a batch as a tensor [B, 3, height, width] that shares them: keep the batch alive.
torch::Tensor images_tensor(const Batch& batch, const Preprocessing& preprocessing);

/// The labels of a batch, int64 [B], likewise.
torch::Tensor labels_tensor(const Batch& batch);

/// All pictures, decoded for evaluation, in memory: [B, 3, height, width]; undefined where none could be
/// read.
torch::Tensor read_images(std::vector<Picture> pictures, const Preprocessing& preprocessing,
                          Monitor& monitor);

/// Pictures that a thread works on at a time, also where gradients are wanted: their activations stay in its
/// caches.
inline constexpr int64_t kChunk = 2;

/// body(i) for each i below `count`, divided among LibTorch's threads.
void parallel(size_t count, const std::function<void(size_t)>& body);

}  // namespace normgraft
