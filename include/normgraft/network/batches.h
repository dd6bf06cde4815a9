#pragma once

#include <array>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "normgraft/data/loader.h"
#include "normgraft/network/tensors.h"

namespace normgraft {

/// A number of each colour, as of Preprocessing::mean, in the shape that pictures take: F32 [1, 3, 1, 1].
Tensor by_colour(const std::array<float, 3>& values);

/// The pixels of a batch as a tensor [B, 3, height, width] that shares them: keep the batch alive.
Tensor images_tensor(const Batch& batch, const Preprocessing& preprocessing);

/// The labels of a batch, int64 [B], likewise.
Tensor labels_tensor(const Batch& batch);

/// All pictures, decoded for evaluation, in memory: [B, 3, height, width]. Throws InputError naming `stage`
/// where none could be read.
Tensor read_images(std::vector<Picture> pictures, const Preprocessing& preprocessing,
                   const std::string& stage, Monitor& monitor);

/// Some pictures that a thread works on at a time, also where gradients are wanted: their activations stay in
/// its caches.
struct Chunk {
  int64_t index = 0;  ///< among all chunks
  int64_t first = 0;  ///< its first picture
  Tensor images;      ///< [b, ...], a view
};

/// The pictures of a chunk; the last one may be smaller.
inline constexpr int64_t kChunk = 2;

/// How many chunks so many pictures make.
size_t chunk_count(int64_t pictures);

/// The positions in the loader's list of a chunk's pictures, from the batch that they are of.
std::span<const int64_t> positions_of(const Chunk& chunk, const Batch& batch);

/// body(thread, chunk) for all pictures [B, ...] in chunks, on LibTorch's threads, without gradients unless
/// the body asks for them. A thread (0, 1, ... below the number returned) works through neighbouring chunks
/// in their order, and lower threads have earlier chunks: what a body leaves for each thread can be put
/// together in the order of pictures. The division depends on the number of threads alone.
size_t for_chunks(const Tensor& images, const std::function<void(size_t thread, const Chunk& chunk)>& body);

/// The most threads that for_chunks() counts.
size_t chunk_threads();

/// body(images of a chunk) -> [b, ...], for all pictures, on LibTorch's threads and without gradients: [B,
/// ...].
Tensor over_pictures(const Tensor& images, const std::function<Tensor(const Tensor& some)>& body);

/// body(i) for each i below `count`, divided among LibTorch's threads.
void parallel(size_t count, const std::function<void(size_t)>& body);

}  // namespace normgraft
