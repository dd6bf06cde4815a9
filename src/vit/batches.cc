#include "normgraft/vit/batches.h"

#include <ATen/Parallel.h>

namespace normgraft {

torch::Tensor images_tensor(const Batch& batch, const Preprocessing& preprocessing) {
  return torch::from_blob(const_cast<float*>(batch.pixels.data()),
                          {batch.size(), 3, preprocessing.height, preprocessing.width}, torch::kFloat32);
}

torch::Tensor labels_tensor(const Batch& batch) {
  return torch::from_blob(const_cast<int64_t*>(batch.labels.data()), {batch.size()}, torch::kInt64);
}

void parallel(size_t count, const std::function<void(size_t)>& body) {
  at::parallel_for(0, static_cast<int64_t>(count), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) body(i);
  });
}

}  // namespace normgraft
