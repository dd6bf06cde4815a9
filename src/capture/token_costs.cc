#include "normgraft/capture/token_costs.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <numeric>

#include "normgraft/capture/probe.h"
#include "normgraft/network/batches.h"

namespace normgraft {
namespace {

constexpr int kProbes = 3;

/// Sums over a few pictures and their probes, for each site.
std::vector<SiteCosts> summed(const Network& network, const Tensor& images, std::span<const int64_t> pictures,
                              uint64_t seed) {
  const at::AutoGradMode with_grad(true);
  const SiteTrace trace = trace_sites(network, images);
  const size_t sites = trace.y.size();
  const int64_t prefix = network.architecture().prefix_tokens();
  const auto split = [prefix](const Tensor& by_token) {  // [B, N], or [B] behind the pooling
    if (by_token.dim() < 2) return TokenCosts{0, by_token.sum().item<double>()};
    return TokenCosts{by_token.slice(1, 0, prefix).sum().item<double>(),
                      by_token.slice(1, prefix).sum().item<double>()};
  };
  const auto add = [](TokenCosts& to, const TokenCosts& more) {
    to.prefix += more.prefix;
    to.patches += more.patches;
  };
  std::vector<Tensor> watched = trace.y;
  watched.insert(watched.end(), trace.x.begin() + 1, trace.x.end());
  const Tensor prediction = trace.logits.detach().softmax(1);
  std::vector<SiteCosts> sums(sites, {{0, 0}, {0, 0}});
  for (int probe = 0; probe < kProbes; ++probe) {
    const auto gradients =
        torch::autograd::grad({trace.logits}, watched, {draw_probe(prediction, pictures, probe, seed)},
                              /*retain_graph=*/probe + 1 < kProbes);
    const at::NoGradGuard no_grad;
    for (size_t site = 0; site < sites; ++site) {
      add(sums[site].scale, split((gradients[site] * trace.y[site]).sum(-1).square()));
      if (site > 0) add(sums[site].stream, split(gradients[sites + site - 1].square().sum(-1)));
    }
  }
  return sums;
}

}  // namespace

std::vector<SiteCosts> token_costs(const Network& network, const Tensor& images, uint64_t seed) {
  std::vector<SiteCosts> costs(network.sites().size(), {{0, 0}, {0, 0}});
  if (network.classes() < 2) return {};
  std::vector<std::vector<SiteCosts>> chunks(chunk_count(images.size(0)));
  for_chunks(images, [&](size_t, const Chunk& chunk) {
    std::vector<int64_t> pictures(static_cast<size_t>(chunk.images.size(0)));
    std::iota(pictures.begin(), pictures.end(), chunk.first);
    chunks[static_cast<size_t>(chunk.index)] = summed(network, chunk.images, pictures, seed);
  });
  const auto add = [&](TokenCosts& to, const TokenCosts& more) {
    const double share = 1.0 / static_cast<double>(images.size(0) * kProbes);
    to.prefix += share * more.prefix;
    to.patches += share * more.patches;
  };
  for (const auto& chunk : chunks) {
    for (size_t site = 0; site < costs.size(); ++site) {
      add(costs[site].scale, chunk[site].scale);
      add(costs[site].stream, chunk[site].stream);
    }
  }
  costs.front().stream = costs.front().scale;
  return costs;
}

}  // namespace normgraft
