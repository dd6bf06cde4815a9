#include "normgraft/graft/calibrate.h"

#include <vector>

#include "normgraft/vit/batches.h"
#include "normgraft/graft/scalar_function.h"

namespace normgraft {
namespace {

/// Sums over rows of [rows, D], in double: of f(x), of the target, and of their products.
struct ChannelSums {
  double rows = 0;
  torch::Tensor p, t, pp, pt;

  void add(const torch::Tensor& prediction, const torch::Tensor& target) {
    const auto over_rows = [](const torch::Tensor& v) { return v.sum(0, false, torch::kFloat64); };
    if (!p.defined()) p = t = pp = pt = torch::zeros({prediction.size(1)}, torch::kFloat64);
    rows += static_cast<double>(prediction.size(0));
    p = p + over_rows(prediction);
    t = t + over_rows(target);
    pp = pp + over_rows(prediction * prediction);
    pt = pt + over_rows(prediction * target);
  }
};

}  // namespace

void calibrate_affine(Graft& graft, const Vit& teacher, Loader& pictures, int64_t picture_count, Monitor& monitor) {
  torch::NoGradGuard no_grad;
  const auto& sites = graft.vit().sites();
  const Functions functions = graft.functions();
  std::vector<ChannelSums> sums(sites.size());

  int64_t done = 0;
  while (const auto batch = pictures.next()) {
    monitor.check();
    teacher.forward(images_tensor(*batch, teacher.preprocessing()),
                    [&](size_t site, const torch::Tensor& x, const torch::Tensor& y) {
                      if (!graft.has_function(site)) return;
                      const Expression& f = functions.at(sites[site].name);
                      const torch::Tensor prediction = scalar_function(f, x, constants_tensor(f));
                      const torch::Tensor target = y * teacher.tensors().at(sites[site].name + ".weight") +
                                                   teacher.tensors().at(sites[site].name + ".bias");
                      sums[site].add(prediction.flatten(0, -2), target.flatten(0, -2));
                    });
    done += batch->size();
    monitor.progress("calibrate", done, picture_count, "pictures");
  }

  for (size_t i = 0; i < sites.size(); ++i) {
    if (!graft.has_function(i) || sums[i].rows == 0) continue;
    const double n = sums[i].rows;
    const torch::Tensor covariance = sums[i].pt / n - sums[i].p / n * (sums[i].t / n);
    const torch::Tensor variance = sums[i].pp / n - (sums[i].p / n).square();
    torch::Tensor& gamma = graft.vit().tensors().at(sites[i].name + ".weight");
    torch::Tensor& beta = graft.vit().tensors().at(sites[i].name + ".bias");
    const torch::Tensor slope = torch::where(variance > 1e-8, covariance / variance.clamp_min(1e-8), gamma.to(torch::kFloat64));
    gamma = slope.to(torch::kFloat32);
    beta = ((sums[i].t - slope * sums[i].p) / n).to(torch::kFloat32);
  }
}

}  // namespace normgraft
