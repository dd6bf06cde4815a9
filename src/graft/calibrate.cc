#include "normgraft/graft/calibrate.h"

#include <vector>

#include "normgraft/graft/scalar_function.h"
#include "normgraft/vit/stream.h"

namespace normgraft {
namespace {

/// Share of a site's mean weight of a channel with which each channel is drawn towards y = f.
constexpr double kShrinkage = 1;

/// Weighted sums over the pairs of each channel, [D] in double: of 1, f, the error e = y - f, and products.
struct ChannelSums {
  torch::Tensor w, f, e, ff, fe;

  void add(const torch::Tensor& prediction, const SitePairs& pairs) {
    const auto over_rows = [](const torch::Tensor& v) {
      return v.flatten(0, -2).sum(0, false, torch::kFloat64);
    };
    const torch::Tensor weight = pairs.weight.defined() ? pairs.weight : torch::ones_like(prediction);
    const torch::Tensor error = pairs.y - prediction;
    const torch::Tensor weighted = weight * prediction;
    if (!w.defined()) w = f = e = ff = fe = torch::zeros({prediction.size(-1)}, torch::kFloat64);
    w = w + over_rows(weight);
    f = f + over_rows(weighted);
    e = e + over_rows(weight * error);
    ff = ff + over_rows(weighted * prediction);
    fe = fe + over_rows(weighted * error);
  }
};

/// y - f as slope * f + shift, [D] each.
struct Correction {
  torch::Tensor slope, shift;
};

/// Ridge regression: slope and shift cost what they change in pairs of typical weight and spread.
Correction correction(const ChannelSums& sums) {
  const torch::Tensor prior = kShrinkage * sums.w.mean();
  const torch::Tensor spread = sums.ff.sum() / sums.w.sum();
  const torch::Tensor a = sums.ff + prior * spread, b = sums.f, d = sums.w + prior;
  const torch::Tensor determinant = a * d - b * b;
  return {(sums.fe * d - sums.e * b) / determinant, (sums.e * a - sums.fe * b) / determinant};
}

}  // namespace

void calibrate_affine(Graft& graft, const Vit& teacher, Loader& pictures, int64_t picture_count,
                      const PairOptions& options, Monitor& monitor) {
  const torch::NoGradGuard no_grad;
  const auto& sites = graft.vit().sites();
  const Functions functions = graft.functions();
  std::vector<ChannelSums> sums(sites.size());
  const auto receive = [&](size_t site, const SitePairs& pairs) {
    if (!graft.has_function(site)) return;
    const torch::NoGradGuard no_grad_here;
    const Expression& f = functions.at(sites[site].name);
    torch::Tensor y = scalar_function(f, pairs.x, constants_tensor(f));
    if (graft.drops_mean(site)) y = without_mean(y);
    sums[site].add(y, pairs);
  };
  for_each_pairs(teacher, pictures, picture_count, options, "calibrate", receive, monitor);

  for (size_t i = 0; i < sites.size(); ++i) {
    if (!graft.has_function(i)) continue;
    const auto [slope, shift] = correction(sums[i]);
    torch::Tensor& gamma = graft.vit().tensors().at(sites[i].name + ".weight");
    torch::Tensor& beta = graft.vit().tensors().at(sites[i].name + ".bias");
    beta = beta + (gamma * shift).to(torch::kFloat32);
    gamma = gamma * (1 + slope).to(torch::kFloat32);
  }
}

}  // namespace normgraft
