#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <vector>

#include "normgraft/capture/capture.h"
#include "normgraft/capture/pairs.h"
#include "normgraft/models/model_folder.h"
#include "normgraft/network/batches.h"
#include "normgraft/network/threads.h"

// capture_cost MODEL PICTURES [THREADS] [COUNT] [REPEATS]: what capture costs beside what it cannot do
// without, measured in turn on pictures in memory: medians of seconds, as JSON. forward_and_backwards is the
// fastest of three sizes of batch.

namespace normgraft {
namespace {

constexpr int kProbes = 3;

/// Real pictures, decoded once; loaders over them cost next to nothing.
class PicturesInMemory {
 public:
  PicturesInMemory(const Network& vit, const Path& folder, size_t count) : vit_(vit) {
    pictures_ = open_picture_folder(folder, nullptr, silent_monitor()).pictures;
    pictures_.resize(std::min(pictures_.size(), count));
    const Preprocessing& p = vit.preprocessing();
    Loader loader(pictures_, evaluation_transform(p), p.height, p.width, {.batch = 1}, silent_monitor());
    while (auto picture = loader.next()) pixels_.push_back(std::move(picture->pixels));
    tiny_ = std::filesystem::temp_directory_path() / fmt::format("normgraft-{}.png", std::rand());
    write_png(tiny_, Image{1, 1, {0, 0, 0}});
    for (Picture& picture : pictures_) picture.path = tiny_;
  }
  PicturesInMemory(const PicturesInMemory&) = delete;
  PicturesInMemory& operator=(const PicturesInMemory&) = delete;
  ~PicturesInMemory() { std::filesystem::remove(tiny_); }

  Loader loader(int64_t batch) const {
    const auto copy = [this](const Image&, int64_t position, std::span<float> chw) {
      std::ranges::copy(pixels_[static_cast<size_t>(position)], chw.begin());
    };
    const Preprocessing& p = vit_.preprocessing();
    return Loader(pictures_, copy, p.height, p.width, {.batch = batch}, silent_monitor());
  }
  int64_t count() const { return static_cast<int64_t>(pixels_.size()); }

 private:
  const Network& vit_;
  std::vector<Picture> pictures_;
  std::vector<std::vector<float>> pixels_;
  Path tiny_;
};

void forward(const Network& vit, const PicturesInMemory& pictures) {
  const at::NoGradGuard no_grad;
  Loader loader = pictures.loader(32);
  while (const auto batch = loader.next()) vit.forward(images_tensor(*batch, vit.preprocessing()));
}

/// A forward and activation-only backwards to every site; nothing is kept.
void forward_and_backwards(const Network& vit, const PicturesInMemory& pictures, int64_t batch_size) {
  Loader loader = pictures.loader(batch_size);
  while (const auto batch = loader.next()) {
    std::vector<Tensor> outputs(vit.sites().size());
    const Tensor logits = vit.forward(images_tensor(*batch, vit.preprocessing()),
                                      [&](size_t site, const Tensor&, const Tensor& y) {
                                        if (!y.requires_grad()) y.requires_grad_();
                                        outputs[site] = y;
                                      });
    for (int probe = 0; probe < kProbes; ++probe) {
      torch::autograd::grad({logits}, outputs, {at::ones_like(logits)}, probe + 1 < kProbes);
    }
  }
}

void capture_with(Weights weights, const Network& vit, const PicturesInMemory& pictures) {
  Loader loader = pictures.loader(pairs_batch(vit, weights));
  capture(vit, loader, pictures.count(), fit_fold,
          {.bins = 2048, .pairs = {.weights = weights, .probes = kProbes}}, silent_monitor());
}

double median_seconds(std::vector<double>& seconds) {
  std::nth_element(seconds.begin(), seconds.begin() + seconds.size() / 2, seconds.end());
  return seconds[seconds.size() / 2];
}

}  // namespace
}  // namespace normgraft

int main(int argc, char** argv) {
  using namespace normgraft;
  if (argc < 3) return 2;
  const auto argument = [&](int index, int fallback) {
    return index < argc ? std::atoi(argv[index]) : fallback;
  };
  set_network_threads(argument(3, 2));
  const Network vit = load_model(argv[1], {}, silent_monitor());
  const PicturesInMemory pictures(vit, argv[2], static_cast<size_t>(argument(4, 64)));

  const std::vector<std::function<void()>> work = {
      [&] { forward(vit, pictures); },
      [&] { forward_and_backwards(vit, pictures, 2); },
      [&] { forward_and_backwards(vit, pictures, 8); },
      [&] { forward_and_backwards(vit, pictures, 32); },
      [&] { capture_with(Weights::kNone, vit, pictures); },
      [&] { capture_with(Weights::kFisher, vit, pictures); },
  };
  std::vector<std::vector<double>> seconds(work.size());
  for (int repeat = 0; repeat < argument(5, 3); ++repeat) {
    for (size_t i = 0; i < work.size(); ++i) {
      const auto start = std::chrono::steady_clock::now();
      work[i]();
      seconds[i].push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
  }
  fmt::print(
      "{{\"pictures\": {}, \"probes\": {}, \"forward\": {}, \"forward_and_backwards\": {}, \"capture_none\": "
      "{}, "
      "\"capture_fisher\": {}}}\n",
      pictures.count(), kProbes, median_seconds(seconds[0]),
      std::min({median_seconds(seconds[1]), median_seconds(seconds[2]), median_seconds(seconds[3])}),
      median_seconds(seconds[4]), median_seconds(seconds[5]));
}
