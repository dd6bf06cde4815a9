#include "normgraft/capture/pairs.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <utility>

#include "normgraft/capture/probe.h"
#include "normgraft/core/error.h"
#include "normgraft/network/batches.h"
#include "normgraft/network/stream.h"

namespace normgraft {
namespace {

/// What a few pictures left at every site.
using ChunkPairs = std::vector<SitePairs>;

ChunkPairs plain_pairs(const Network& network, const Tensor& images) {
  const at::NoGradGuard no_grad;
  ChunkPairs pairs(network.sites().size());
  network.forward(images, [&](size_t site, const Tensor& x, const Tensor& y) {
    pairs[site] = {x.contiguous(), y.contiguous(), {}, {}, {}};
  });
  return pairs;
}

ChunkPairs weighted_pairs(const Network& network, const Tensor& images, std::span<const int64_t> pictures,
                          const PairOptions& options) {
  const at::AutoGradMode with_grad(true);
  const SiteTrace trace = trace_sites(network, images);
  ChunkPairs pairs(trace.y.size());
  for (size_t site = 0; site < pairs.size(); ++site) {
    pairs[site] = {trace.x[site].detach().contiguous(), trace.y[site].detach().contiguous(), {}, {}, {}};
  }
  const Tensor prediction = trace.logits.detach().softmax(1);
  for (int probe = 0; probe < options.probes; ++probe) {
    const bool last = probe + 1 == options.probes;
    const auto gradients = torch::autograd::grad({trace.logits}, trace.y,
                                                 {draw_probe(prediction, pictures, probe, options.seed)},
                                                 /*retain_graph=*/!last);
    const at::NoGradGuard no_grad;
    for (size_t site = 0; site < pairs.size(); ++site) {
      Tensor& weight = pairs[site].weight;
      if (!weight.defined()) weight = at::zeros_like(pairs[site].y);
      weight.addcmul_(gradients[site], gradients[site], 1.0 / options.probes);
      if (!network.sites()[site].carried.channel) continue;
      const Tensor share =
          (gradients[site] * without_carrier(pairs[site].x)).sum(-1).square() / options.probes;
      Tensor& by_token = pairs[site].token_weight;
      by_token = by_token.defined() ? by_token + share : share;
    }
  }
  return pairs;
}

}  // namespace

void check_weights(const Network& network, Weights weights, const std::string& stage) {
  if (weights == Weights::kNone || network.classes() >= 2) return;
  throw InputError(fmt::format("{}: the model predicts {} classes, expected at least 2, or weights none",
                               stage, network.classes()));
}

int64_t pairs_bytes(const Network& network, Weights weights, int64_t batch) {
  const bool fisher = weights == Weights::kFisher;
  const auto outputs = [&](const LinearNames& linear) { return network.tensors().at(linear.weight).size(0); };
  int64_t kept = 0, graph = 0;  // floats of one picture
  for (size_t i = 0; i < network.sites().size(); ++i) {
    const Site& site = network.sites()[i];
    kept += site.tokens * site.channels * (fisher ? 3 : 2);
    // The norm, its affine and a sum; what the readers give; what enters the writer, and what it gives.
    int64_t planes = 4 * site.channels;
    for (const LinearNames& reader : site.readers) planes += outputs(reader);
    if (network.writes_behind(i))
      planes += network.tensors().at(network.sites()[i + 1].writer->linear.weight).size(1);
    graph += site.tokens * planes;
  }
  const auto at_once = std::min<int64_t>(batch, kChunk * static_cast<int64_t>(chunk_threads()));
  return static_cast<int64_t>(sizeof(float)) * (batch * kept + (fisher ? at_once * graph : 0));
}

int64_t pairs_batch(const Network& network, Weights weights, int64_t bytes) {
  int64_t batch = 32;
  while (batch > kChunk && pairs_bytes(network, weights, batch) > bytes) batch -= kChunk;
  return batch;
}

int64_t for_each_pairs(const Network& network, Loader& pictures, int64_t picture_count,
                       const PairOptions& options, const std::string& stage, const PairReceiver& receive,
                       Monitor& monitor) {
  options.validate();
  check_weights(network, options.weights, stage);
  const bool fisher = options.weights == Weights::kFisher;
  int64_t done = 0;
  while (const auto batch = pictures.next()) {
    monitor.check();
    const Tensor images = images_tensor(*batch, network.preprocessing());
    std::vector<ChunkPairs> chunks(chunk_count(batch->size()));
    for_chunks(images, [&](size_t, const Chunk& chunk) {
      const auto positions = positions_of(chunk, *batch);
      ChunkPairs& pairs = chunks[static_cast<size_t>(chunk.index)];
      pairs = fisher ? weighted_pairs(network, chunk.images, positions, options)
                     : plain_pairs(network, chunk.images);
      for (SitePairs& site : pairs) site.pictures.assign(positions.begin(), positions.end());
    });
    parallel(network.sites().size(), [&](size_t site) {
      for (ChunkPairs& chunk : chunks) receive(site, std::exchange(chunk[site], {}));
    });
    done += batch->size();
    monitor.progress(stage, done, picture_count, "pictures");
  }
  if (done == 0) throw InputError(fmt::format("{}: no picture could be read, expected at least one", stage));
  return done;
}

}  // namespace normgraft
