#include "normgraft/capture/probe.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "normgraft/core/random.h"

namespace normgraft {

SiteTrace trace_sites(const Network& network, const Tensor& images) {
  SiteTrace trace;
  trace.x.resize(network.sites().size());
  trace.y.resize(network.sites().size());
  trace.logits = network.forward(images, [&](size_t site, const Tensor& x, const Tensor& y) {
    if (!y.requires_grad()) y.requires_grad_();
    trace.x[site] = x;
    trace.y[site] = y;
  });
  return trace;
}

Tensor draw_probe(const Tensor& prediction, std::span<const int64_t> pictures, int probe, uint64_t seed) {
  Tensor signs = at::empty_like(prediction);
  float* sign = signs.data_ptr<float>();
  for (const int64_t picture : pictures) {
    Random random{seed, static_cast<uint64_t>(picture), static_cast<uint64_t>(probe)};
    for (int64_t c = 0; c < prediction.size(1); c += 64) {
      uint64_t bits = random();
      for (int64_t i = c; i < std::min(c + 64, prediction.size(1)); ++i, bits >>= 1)
        *sign++ = (bits & 1) != 0 ? 1.0F : -1.0F;
    }
  }
  const Tensor root = signs * prediction.sqrt();
  return root - prediction * root.sum(1, true);
}

}  // namespace normgraft
