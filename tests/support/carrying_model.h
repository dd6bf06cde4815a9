#pragma once

#include <ATen/ATen.h>

#include "normgraft/network/carrier.h"
#include "support/small_model.h"

namespace normgraft::testing {

/// Pictures of small_vit whose contrast differs.
inline Tensor uneven_images(int64_t count) {
  at::manual_seed(5);
  return at::randn({count, 3, 32, 32}) * (at::rand({count, 1, 1, 1}) + 0.5);
}

/// small_vit with a channel that tells the spread, fitted to 32 of them.
inline Network carrying_vit() {
  const at::NoGradGuard no_grad;
  Network network = small_vit();
  let_channel_carry_scale(network, {uneven_images(32), {}}, {}, silent_monitor());
  return network;
}

}  // namespace normgraft::testing
