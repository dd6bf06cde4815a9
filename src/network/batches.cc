#include "normgraft/network/batches.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "normgraft/core/error.h"

namespace normgraft {

Tensor by_colour(const std::array<float, 3>& values) {
  return at::tensor({values[0], values[1], values[2]}).view({1, 3, 1, 1});
}

Tensor images_tensor(const Batch& batch, const Preprocessing& preprocessing) {
  return at::from_blob(const_cast<float*>(batch.pixels.data()),
                       {batch.size(), 3, preprocessing.height, preprocessing.width}, at::kFloat);
}

Tensor labels_tensor(const Batch& batch) {
  return at::from_blob(const_cast<int64_t*>(batch.labels.data()), {batch.size()}, at::kLong);
}

Tensor read_images(std::vector<Picture> pictures, const Preprocessing& preprocessing,
                   const std::string& stage, Monitor& monitor) {
  Loader loader(std::move(pictures), evaluation_transform(preprocessing), preprocessing.height,
                preprocessing.width, {}, monitor);
  std::vector<Tensor> parts;
  while (const auto batch = loader.next()) {
    monitor.check();
    parts.push_back(images_tensor(*batch, preprocessing).clone());
  }
  if (parts.empty())
    throw InputError(fmt::format("{}: no picture could be read, expected at least one", stage));
  return at::cat(parts);
}

void parallel(size_t count, const std::function<void(size_t)>& body) {
  at::parallel_for(0, static_cast<int64_t>(count), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) body(i);
  });
}

size_t chunk_count(int64_t pictures) {
  return static_cast<size_t>((pictures + kChunk - 1) / kChunk);
}

std::span<const int64_t> positions_of(const Chunk& chunk, const Batch& batch) {
  return std::span(batch.indices)
      .subspan(static_cast<size_t>(chunk.first), static_cast<size_t>(chunk.images.size(0)));
}

size_t chunk_threads() {
  return static_cast<size_t>(at::get_num_threads());
}

size_t for_chunks(const Tensor& images, const std::function<void(size_t thread, const Chunk& chunk)>& body) {
  const auto count = static_cast<int64_t>(chunk_count(images.size(0)));
  const int64_t threads = std::min<int64_t>(count, at::get_num_threads());
  parallel(static_cast<size_t>(threads), [&](size_t thread) {
    const at::NoGradGuard no_grad;  // LibTorch's threads do not inherit the caller's
    const auto t = static_cast<int64_t>(thread);
    for (int64_t i = count * t / threads; i < count * (t + 1) / threads; ++i) {
      const int64_t first = i * kChunk;
      body(thread, {i, first, images.slice(0, first, std::min(first + kChunk, images.size(0)))});
    }
  });
  return static_cast<size_t>(threads);
}

Tensor over_pictures(const Tensor& images, const std::function<Tensor(const Tensor& some)>& body) {
  std::vector<Tensor> parts(chunk_count(images.size(0)));
  for_chunks(images, [&](size_t, const Chunk& chunk) {
    parts[static_cast<size_t>(chunk.index)] = body(chunk.images);
  });
  return at::cat(parts);
}

}  // namespace normgraft
