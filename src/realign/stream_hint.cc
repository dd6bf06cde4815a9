#include "stream_hint.h"

#include <span>

#include "normgraft/capture/probe.h"
#include "normgraft/data/loader.h"
#include "normgraft/vit/batches.h"

namespace normgraft {
namespace {

constexpr size_t kPictures = 64;  ///< looked at for the weights
constexpr int kProbes = 3;        ///< gradients drawn for each

/// Sums over a few pictures and their probes of squared gradients by x, for each site but the first: [N, D].
std::vector<torch::Tensor> squared_gradients(const Vit& teacher, const torch::Tensor& images,
                                             std::span<const int64_t> pictures, uint64_t seed) {
  const torch::AutoGradMode with_grad(true);
  const auto [logits, x, y] = trace_sites(teacher, images);
  const torch::Tensor prediction = logits.detach().softmax(1);
  std::vector<torch::Tensor> sums(x.size());
  for (int probe = 0; probe < kProbes; ++probe) {
    const auto gradients = torch::autograd::grad({logits}, {x.begin() + 1, x.end()},
                                                 {draw_probe(prediction, pictures, probe, seed)},
                                                 /*retain_graph=*/probe + 1 < kProbes);
    const torch::NoGradGuard no_grad;
    for (size_t site = 1; site < x.size(); ++site) {
      const torch::Tensor squares = gradients[site - 1].square().sum(0);
      sums[site] = sums[site].defined() ? sums[site] + squares : squares;
    }
  }
  return sums;
}

}  // namespace

StreamHint::StreamHint(const Vit& teacher, std::vector<Picture> pictures, uint64_t seed, Monitor& monitor) {
  if (pictures.size() > kPictures) pictures.resize(kPictures);
  const Preprocessing& p = teacher.preprocessing();
  Loader loader(std::move(pictures), evaluation_transform(p), p.height, p.width, {}, monitor);
  weights_.resize(teacher.sites().size());
  int64_t done = 0;
  while (const auto batch = loader.next()) {
    monitor.check();
    const auto chunks = images_tensor(*batch, p).split(kChunk);
    std::vector<std::vector<torch::Tensor>> sums(chunks.size());
    parallel(chunks.size(), [&](size_t i) {
      const auto indices =
          std::span(batch->indices).subspan(i * kChunk, static_cast<size_t>(chunks[i].size(0)));
      sums[i] = squared_gradients(teacher, chunks[i], indices, seed);
    });
    for (const auto& sum : sums) {
      for (size_t site = 1; site < sum.size(); ++site) {
        weights_[site] = weights_[site].defined() ? weights_[site] + sum[site] : sum[site];
      }
    }
    done += batch->size();
  }
  if (done == 0) throw InputError("realign: no picture could be read, expected at least one");
  for (torch::Tensor& weight : weights_) {
    if (weight.defined()) weight = weight / static_cast<double>(done * kProbes);
  }
}

Vit::Observer StreamHint::watch(Streams& streams) const {
  streams.assign(weights_.size(), {});
  return [&streams](size_t site, const torch::Tensor& x, const torch::Tensor&) { streams[site] = x; };
}

torch::Tensor StreamHint::distance(const Streams& student, const Streams& teacher) const {
  torch::Tensor sum = torch::zeros({});
  for (size_t site = 1; site < weights_.size(); ++site) {
    const torch::Tensor error = student[site] - teacher[site];
    sum = sum + ((error - error.mean(-1, true)).square() * weights_[site]).sum();
  }
  return sum;
}

}  // namespace normgraft
