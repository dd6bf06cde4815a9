#include "equalise.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "normgraft/network/stream.h"

namespace normgraft {
namespace {

constexpr double kSmallest = 1e-3;  ///< of the mean reach, that a channel is taken to have
constexpr double kShareOf16 = 0.5,
                 kShareOf8 = 1;  ///< of a channel's reach, as a power, that its scale takes up

}  // namespace

bool can_equalise(const Network& network) {
  const auto& sites = network.sites();
  return std::all_of(sites.begin(), sites.end(), [](const Site& site) { return site.carried.channel; });
}

Tensor equalise(Network& network, const std::map<std::string, RangeWatcher::Place>& seen, int stream_bits) {
  Tensor reach;
  for (const Site& site : network.sites()) {
    const Tensor x = at::tensor(seen.at(site.name).largest, at::kDouble);
    const Tensor own = x / x.mean();
    reach = reach.defined() ? at::maximum(reach, own) : own;
  }
  const Tensor scale = reach.clamp_min(kSmallest).pow(stream_bits == 8 ? kShareOf8 : kShareOf16);
  const Tensor of_all = at::cat({at::ones({1}, at::kDouble), scale / scale.mean()});
  scale_channels(network, of_all);
  return of_all;
}

}  // namespace normgraft
