#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "normgraft/core/monitor.h"
#include "normgraft/data/folder.h"
#include "normgraft/data/preprocess.h"

namespace normgraft {

/// Pictures ready for the network.
struct Batch {
  std::vector<float> pixels;     ///< [B, 3, height, width]
  std::vector<int64_t> labels;   ///< [B]
  std::vector<int64_t> indices;  ///< [B] positions in the list the loader was given
  int64_t size() const { return static_cast<int64_t>(labels.size()); }
};

/// Turns the picture at a position of the list into [3, height, width]; called from worker threads.
using Transform = std::function<void(const Image& image, int64_t position, std::span<float> chw)>;

struct LoaderOptions {
  int64_t batch = 32;    ///< pictures a batch, at least 1; the last batch may be smaller
  int threads = 0;       ///< decoding threads; 0: all cores
  int64_t prefetch = 4;  ///< batches decoded ahead
};

/// Decodes and transforms a list of pictures on worker threads and hands them out in order, in batches whose
/// content does not depend on threads. A picture that cannot be decoded is named through the monitor's
/// notice, counted and left out; more than 1 % of the list is an InputError.
class Loader {
 public:
  Loader(std::vector<Picture> pictures, Transform transform, int height, int width,
         const LoaderOptions& options, Monitor& monitor);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// The next batch; nothing after the last.
  std::optional<Batch> next();
  int64_t skipped() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The transform of evaluation and capture.
Transform evaluation_transform(const Preprocessing& preprocessing);

}  // namespace normgraft
