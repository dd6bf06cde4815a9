#include "normgraft/vit/batches.h"

#include <ATen/Parallel.h>

#include <utility>

namespace normgraft {

torch::Tensor images_tensor(const Batch& batch, const Preprocessing& preprocessing) {
  return torch::from_blob(const_cast<float*>(batch.pixels.data()),
                          {batch.size(), 3, preprocessing.height, preprocessing.width}, torch::kFloat32);
}

torch::Tensor labels_tensor(const Batch& batch) {
  return torch::from_blob(const_cast<int64_t*>(batch.labels.data()), {batch.size()}, torch::kInt64);
}

torch::Tensor read_images(std::vector<Picture> pictures, const Preprocessing& preprocessing,
                          Monitor& monitor) {
  Loader loader(std::move(pictures), evaluation_transform(preprocessing), preprocessing.height,
                preprocessing.width, {}, monitor);
  std::vector<torch::Tensor> parts;
  while (const auto batch = loader.next()) {
    monitor.check();
    parts.push_back(images_tensor(*batch, preprocessing).clone());
  }
  return parts.empty() ? torch::Tensor() : torch::cat(parts);
}

void parallel(size_t count, const std::function<void(size_t)>& body) {
  at::parallel_for(0, static_cast<int64_t>(count), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) body(i);
  });
}

}  // namespace normgraft
