#include "normgraft/capture/capture.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "normgraft/mapping/accumulator.h"
#include "normgraft/vit/batches.h"

namespace normgraft {
namespace {

struct Activation {
  torch::Tensor x, y;  // [B, N, D], or [B, D] at a site behind the pooling
};

void add_batch(SiteAccumulator& accumulator, const Activation& activation) {
  const torch::Tensor x = activation.x.contiguous();
  const torch::Tensor y = activation.y.contiguous();
  const auto pairs = static_cast<size_t>(x.numel() / x.size(0));
  for (int64_t picture = 0; picture < x.size(0); ++picture) {
    const auto offset = static_cast<size_t>(picture) * pairs;
    accumulator.add_picture({x.data_ptr<float>() + offset, pairs}, {y.data_ptr<float>() + offset, pairs});
  }
}

}  // namespace

int64_t capture_batch(const Vit& vit, int64_t bytes) {
  const auto site_count = static_cast<int64_t>(vit.sites().size());
  const int64_t per_picture = site_count * vit.tokens() * vit.config().channels * 2 * static_cast<int64_t>(sizeof(float));
  return std::clamp<int64_t>(bytes / per_picture, 1, 32);
}

Mappings capture(const Vit& vit, Loader& pictures, int64_t picture_count, size_t bins, Monitor& monitor) {
  torch::NoGradGuard no_grad;
  const size_t site_count = vit.sites().size();
  std::vector<SiteAccumulator> accumulators;
  std::vector<Activation> activations(site_count);

  int64_t done = 0;
  while (const auto batch = pictures.next()) {
    monitor.check();
    vit.forward(images_tensor(*batch, vit.preprocessing()),
                [&](size_t site, const torch::Tensor& x, const torch::Tensor& y) { activations[site] = {x, y}; });
    for (size_t site = accumulators.size(); site < site_count; ++site) {
      const torch::Tensor& x = activations[site].x;
      accumulators.emplace_back(vit.sites()[site].name, x.numel() / x.size(0) / x.size(-1), x.size(-1));
    }
    at::parallel_for(0, static_cast<int64_t>(site_count), 1, [&](int64_t first, int64_t last) {
      for (int64_t site = first; site < last; ++site) {
        const auto index = static_cast<size_t>(site);
        add_batch(accumulators[index], activations[index]);
        activations[index] = {};
      }
    });
    done += batch->size();
    monitor.progress("capture", done, picture_count, "pictures");
  }
  if (done == 0) throw InputError("capture: no picture could be read, expected at least one");

  Mappings mappings;
  mappings.model = vit.config().architecture;
  for (const SiteAccumulator& accumulator : accumulators) mappings.sites.push_back(accumulator.finish(bins));
  return mappings;
}

}  // namespace normgraft
