#include "normgraft/capture/pairs.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "normgraft/capture/probe.h"
#include "normgraft/vit/batches.h"

namespace normgraft {
namespace {

/// What a few pictures left at every site.
using ChunkPairs = std::vector<SitePairs>;

ChunkPairs plain_pairs(const Vit& vit, const torch::Tensor& images) {
  const torch::NoGradGuard no_grad;
  ChunkPairs pairs(vit.sites().size());
  vit.forward(images, [&](size_t site, const torch::Tensor& x, const torch::Tensor& y) {
    pairs[site] = {x.contiguous(), y.contiguous(), {}};
  });
  return pairs;
}

ChunkPairs weighted_pairs(const Vit& vit, const torch::Tensor& images, std::span<const int64_t> pictures,
                          const PairOptions& options) {
  const torch::AutoGradMode with_grad(true);
  const SiteTrace trace = trace_sites(vit, images);
  ChunkPairs pairs(trace.y.size());
  for (size_t site = 0; site < pairs.size(); ++site) {
    pairs[site] = {trace.x[site].detach().contiguous(), trace.y[site].detach().contiguous(), {}};
  }
  const torch::Tensor prediction = trace.logits.detach().softmax(1);
  for (int probe = 0; probe < options.probes; ++probe) {
    const bool last = probe + 1 == options.probes;
    const auto gradients = torch::autograd::grad({trace.logits}, trace.y,
                                                 {draw_probe(prediction, pictures, probe, options.seed)},
                                                 /*retain_graph=*/!last);
    const torch::NoGradGuard no_grad;
    for (size_t site = 0; site < pairs.size(); ++site) {
      torch::Tensor& weight = pairs[site].weight;
      if (!weight.defined()) weight = torch::zeros_like(pairs[site].y);
      weight.addcmul_(gradients[site], gradients[site], 1.0 / options.probes);
    }
  }
  return pairs;
}

}  // namespace

Weights weights_named(const std::string& name) {
  if (name == "none") return Weights::kNone;
  if (name == "fisher") return Weights::kFisher;
  throw InputError(fmt::format("unknown weights \"{}\", expected none or fisher", name));
}

std::string to_string(Weights weights) {
  return weights == Weights::kFisher ? "fisher" : "none";
}

void PairOptions::validate() const {
  if (probes < 1 || probes > 1000)
    throw InputError(fmt::format("label samples is {}, expected 1 to 1000", probes));
}

int64_t pairs_bytes(const Vit& vit, Weights weights, int64_t batch) {
  const bool fisher = weights == Weights::kFisher;
  const VitConfig& c = vit.config();
  const auto sites = static_cast<int64_t>(vit.sites().size());
  const int64_t hidden = vit.tensors().at("blocks.0.mlp.fc1.weight").size(0);
  const auto plane = vit.tokens() * static_cast<int64_t>(sizeof(float));
  const int64_t kept = sites * plane * c.channels * (fisher ? 3 : 2);
  // Of a block: two norms, their affines, query, key and value, attention, its projection, the MLP's two
  // planes of hidden channels and its output, two sums.
  const int64_t graph = fisher ? c.depth * plane * (12 * c.channels + 2 * hidden) : 0;
  return batch * kept + std::min<int64_t>(batch, kChunk * at::get_num_threads()) * graph;
}

int64_t pairs_batch(const Vit& vit, Weights weights, int64_t bytes) {
  int64_t batch = 32;
  while (batch > kChunk && pairs_bytes(vit, weights, batch) > bytes) batch -= kChunk;
  return batch;
}

int64_t for_each_pairs(const Vit& vit, Loader& pictures, int64_t picture_count, const PairOptions& options,
                       const std::string& stage, const PairReceiver& receive, Monitor& monitor) {
  options.validate();
  const bool fisher = options.weights == Weights::kFisher;
  if (fisher && vit.config().classes == 0) {
    throw InputError(fmt::format("{}: the model predicts no classes, expected weights none for it", stage));
  }
  int64_t done = 0;
  while (const auto batch = pictures.next()) {
    monitor.check();
    const auto images = images_tensor(*batch, vit.preprocessing()).split(kChunk);
    std::vector<ChunkPairs> chunks(images.size());
    parallel(chunks.size(), [&](size_t i) {
      const auto indices =
          std::span(batch->indices).subspan(i * kChunk, static_cast<size_t>(images[i].size(0)));
      chunks[i] = fisher ? weighted_pairs(vit, images[i], indices, options) : plain_pairs(vit, images[i]);
    });
    parallel(vit.sites().size(), [&](size_t site) {
      for (ChunkPairs& chunk : chunks) receive(site, std::exchange(chunk[site], {}));
    });
    done += batch->size();
    monitor.progress(stage, done, picture_count, "pictures");
  }
  if (done == 0) throw InputError(fmt::format("{}: no picture could be read, expected at least one", stage));
  return done;
}

}  // namespace normgraft
