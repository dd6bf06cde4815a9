#include "normgraft/vit/batches.h"

namespace normgraft {

torch::Tensor images_tensor(const Batch& batch, const Preprocessing& preprocessing) {
  return torch::from_blob(const_cast<float*>(batch.pixels.data()),
                          {batch.size(), 3, preprocessing.height, preprocessing.width}, torch::kFloat32);
}

torch::Tensor labels_tensor(const Batch& batch) {
  return torch::from_blob(const_cast<int64_t*>(batch.labels.data()), {batch.size()}, torch::kInt64);
}

}  // namespace normgraft
