#include "normgraft/capture/probe.h"

#include <algorithm>

#include "normgraft/core/random.h"

namespace normgraft {

SiteTrace trace_sites(const Vit& vit, const torch::Tensor& images) {
  SiteTrace trace;
  trace.x.resize(vit.sites().size());
  trace.y.resize(vit.sites().size());
  trace.logits = vit.forward(images, [&](size_t site, const torch::Tensor& x, const torch::Tensor& y) {
    if (!y.requires_grad()) y.requires_grad_();
    trace.x[site] = x;
    trace.y[site] = y;
  });
  return trace;
}

torch::Tensor draw_probe(const torch::Tensor& prediction, std::span<const int64_t> pictures, int probe,
                         uint64_t seed) {
  torch::Tensor signs = torch::empty_like(prediction);
  float* sign = signs.data_ptr<float>();
  for (const int64_t picture : pictures) {
    Random random{seed, static_cast<uint64_t>(picture), static_cast<uint64_t>(probe)};
    for (int64_t c = 0; c < prediction.size(1); c += 64) {
      uint64_t bits = random();
      for (int64_t i = c; i < std::min(c + 64, prediction.size(1)); ++i, bits >>= 1)
        *sign++ = (bits & 1) != 0 ? 1.0F : -1.0F;
    }
  }
  const torch::Tensor root = signs * prediction.sqrt();
  return root - prediction * root.sum(1, true);
}

}  // namespace normgraft
