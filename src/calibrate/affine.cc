#include "normgraft/calibrate/affine.h"

#include <ATen/ATen.h>

#include <vector>

#include "normgraft/network/stream.h"

namespace normgraft {
namespace {

/// Share of a site's mean weight of a channel with which each channel is drawn towards y = f.
constexpr double kShrinkage = 1;

/// Weighted sums over the pairs of each channel, [D] in double: of 1, f, the error e = y - f, and products.
struct ChannelSums {
  Tensor w, f, e, ff, fe;

  void add(const Tensor& prediction, const SitePairs& pairs) {
    const auto over_rows = [](const Tensor& v) { return v.flatten(0, -2).sum(0, false, at::kDouble); };
    const Tensor weight = pairs.weight.defined() ? pairs.weight : at::ones_like(prediction);
    const Tensor error = pairs.y - prediction;
    const Tensor weighted = weight * prediction;
    if (!w.defined()) w = f = e = ff = fe = at::zeros({prediction.size(-1)}, at::kDouble);
    w = w + over_rows(weight);
    f = f + over_rows(weighted);
    e = e + over_rows(weight * error);
    ff = ff + over_rows(weighted * prediction);
    fe = fe + over_rows(weighted * error);
  }
};

/// y - f as slope * f + shift, [D] each.
struct Correction {
  Tensor slope, shift;
};

/// Ridge regression: slope and shift cost what they change in pairs of typical weight and spread.
Correction correction(const ChannelSums& sums) {
  const Tensor prior = kShrinkage * sums.w.mean();
  const Tensor spread = sums.ff.sum() / sums.w.sum();
  const Tensor a = sums.ff + prior * spread, b = sums.f, d = sums.w + prior;
  const Tensor determinant = a * d - b * b;
  return {(sums.fe * d - sums.e * b) / determinant, (sums.e * a - sums.fe * b) / determinant};
}

}  // namespace

void calibrate_affine(Graft& graft, const Network& teacher, Loader& pictures, int64_t picture_count,
                      const PairOptions& options, Monitor& monitor) {
  const at::NoGradGuard no_grad;
  const auto& sites = graft.network().sites();
  std::vector<ChannelSums> sums(sites.size());
  const auto receive = [&](size_t site, const SitePairs& pairs) {
    if (!graft.has_function(site)) return;
    const at::NoGradGuard no_grad_here;
    Tensor y = graft.value(site, pairs.x, graft.constants(site));
    if (graft.drops_mean(site)) y = without_mean(y);
    sums[site].add(y, pairs);
  };
  for_each_pairs(teacher, pictures, picture_count, options, "calibrate", receive, monitor);

  for (size_t i = 0; i < sites.size(); ++i) {
    if (!graft.has_function(i)) continue;
    const auto [slope, shift] = correction(sums[i]);
    Tensor& gamma = graft.network().tensors().at(sites[i].gamma);
    Tensor& beta = graft.network().tensors().at(sites[i].beta);
    beta = beta + (gamma * shift).to(at::kFloat);
    gamma = gamma * (1 + slope).to(at::kFloat);
  }
}

}  // namespace normgraft
