#include "stream_hint.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <span>

#include "normgraft/capture/probe.h"
#include "normgraft/core/error.h"
#include "normgraft/data/loader.h"
#include "normgraft/network/batches.h"
#include "normgraft/network/carrier.h"

namespace normgraft {
namespace {

constexpr size_t kPictures = 64;  ///< looked at for the weights
constexpr int kProbes = 3;        ///< gradients drawn for each

/// Sums over a few pictures and their probes of squared gradients by x, for each site but the first: [N, D].
std::vector<Tensor> squared_gradients(const Network& teacher, const Tensor& images,
                                      std::span<const int64_t> pictures, uint64_t seed) {
  const at::AutoGradMode with_grad(true);
  const auto [logits, x, y] = trace_sites(teacher, images);
  const Tensor prediction = logits.detach().softmax(1);
  std::vector<Tensor> sums(x.size());
  for (int probe = 0; probe < kProbes; ++probe) {
    const auto gradients = torch::autograd::grad({logits}, {x.begin() + 1, x.end()},
                                                 {draw_probe(prediction, pictures, probe, seed)},
                                                 /*retain_graph=*/probe + 1 < kProbes);
    const at::NoGradGuard no_grad;
    for (size_t site = 1; site < x.size(); ++site) {
      const Tensor squares = gradients[site - 1].square().sum(0);
      sums[site] = sums[site].defined() ? sums[site] + squares : squares;
    }
  }
  return sums;
}

}  // namespace

StreamHint::StreamHint(const Network& teacher, std::vector<Picture> pictures, uint64_t seed,
                       Monitor& monitor) {
  if (pictures.size() > kPictures) pictures.resize(kPictures);
  const Preprocessing& p = teacher.preprocessing();
  Loader loader(std::move(pictures), evaluation_transform(p), p.height, p.width, {}, monitor);
  weights_.resize(teacher.sites().size());
  for (const Site& site : teacher.sites()) carried_.push_back(site.carried);
  int64_t done = 0;
  while (const auto batch = loader.next()) {
    monitor.check();
    std::vector<std::vector<Tensor>> sums(chunk_count(batch->size()));
    for_chunks(images_tensor(*batch, p), [&](size_t, const Chunk& chunk) {
      const auto positions = positions_of(chunk, *batch);
      sums[static_cast<size_t>(chunk.index)] = squared_gradients(teacher, chunk.images, positions, seed);
    });
    for (const auto& sum : sums) {
      for (size_t site = 1; site < sum.size(); ++site) {
        weights_[site] = weights_[site].defined() ? weights_[site] + sum[site] : sum[site];
      }
    }
    done += batch->size();
  }
  if (done == 0) throw InputError("realign: no picture could be read, expected at least one");
  for (Tensor& weight : weights_) {
    if (weight.defined()) weight = weight / static_cast<double>(done * kProbes);
  }
}

Network::Observer StreamHint::watch(Streams& streams) const {
  streams.assign(weights_.size(), {});
  return [&streams](size_t site, const Tensor& x, const Tensor&) { streams[site] = x; };
}

Tensor StreamHint::distance(const Streams& student, const Streams& teacher) const {
  Tensor sum = at::zeros({});
  for (size_t site = 1; site < weights_.size(); ++site) {
    const Tensor error = without_told(carried_[site], student[site] - teacher[site]);
    sum = sum + (error.square() * weights_[site]).sum();
  }
  return sum;
}

}  // namespace normgraft
