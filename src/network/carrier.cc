#include "normgraft/network/carrier.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "carrier_walk.h"
#include "normgraft/core/require.h"
#include "normgraft/network/first_carrier.h"
#include "normgraft/network/r_units.h"
#include "normgraft/network/stream.h"

namespace normgraft {
namespace {

constexpr double kRatioPerRoot =
    4;  ///< of the root of D, which |y| does not exceed: x stays within a quarter of the mean
constexpr double kLeast = 0.1;   ///< of the ratio: below, the logarithm goes on straight
constexpr double kMargin = 0.1;  ///< of the range of r seen, on either side

void check(const Network& network, const CarrierOptions& options) {
  require(options.damping > 0, "carrier", "damping", options.damping, "a number above 0");
  require(options.units.value_or(0) >= 0, "carrier", "units", options.units.value_or(0), "0 or more");
  require(options.costs.empty() || options.costs.size() == network.sites().size(), "carrier", "costs",
          options.costs.size(), "one for each site, or none");
  check_r_units_are_its_own(network);
  if (!hides_mean(network)) {
    throw InputError("carrier: the mean of a token is seen by a norm of " + network.architecture().name() +
                     ", expected a network of LayerNorms ahead of their branches");
  }
}

/// Gives a network of norms its norms back at the end, whatever ends the work.
class NormsAtTheEnd {
 public:
  explicit NormsAtTheEnd(Network& network) : network_(network) {}
  NormsAtTheEnd(const NormsAtTheEnd&) = delete;
  NormsAtTheEnd& operator=(const NormsAtTheEnd&) = delete;
  ~NormsAtTheEnd() {
    for (size_t site = 0; site < network_.sites().size(); ++site) network_.set_normalizer(site, {});
  }

 private:
  Network& network_;
};

}  // namespace

double carrier_ratio(const CarrierOptions& options, int64_t channels) {
  const double root = std::sqrt(static_cast<double>(channels));
  if (options.ratio == 0) return kRatioPerRoot * root;
  require(options.ratio > root, "carrier", "ratio", options.ratio,
          "more than the root of the number of channels, or 0");
  return options.ratio;
}

Tensor carried_offset(const Tensor& x, double ratio) {
  return ratio * (x.mean(-1, true) / ratio).clamp_min(kLeast).log();
}

Tensor carried_log(const Tensor& x, double ratio) {
  const Tensor part = x / ratio;
  return ratio * (part.clamp_min(kLeast).log() + (part - kLeast).clamp_max(0) / kLeast);
}

Tensor told(const Carried& carried, const Tensor& x) {
  return x.slice(-1, 0, 1).clamp(carried.low, carried.high);
}

Tensor without_told(const Carried& carried, const Tensor& x) {
  return carried.channel ? without_carrier(x) : without_mean(x);
}

Carried with_range(Carried carried, const Tensor& r) {
  const double low = r.min().item<double>(), high = r.max().item<double>();
  const double margin = kMargin * std::max(high - low, 0.1);
  carried.low = low - margin;
  carried.high = high + margin;
  return carried;
}

void carry_scale(Network& network, const WalkImages& images, const CarrierOptions& options,
                 const Network* teacher, Monitor& monitor) {
  check(network, options);
  const at::NoGradGuard no_grad;
  CarrierWalk walk(network, images, options);
  Tensor expected;
  if (teacher != nullptr) expected = CarrierWalk::enter(*teacher, images);
  const size_t count = network.sites().size();
  for (size_t site = 0; site + 1 < count; ++site) {
    monitor.check();
    if (teacher != nullptr) expected = CarrierWalk::advance(*teacher, site, expected);
    walk.pass(site, expected);
    monitor.progress("carry scale", static_cast<int64_t>(site) + 2, static_cast<int64_t>(count), "sites");
  }
}

void let_mean_carry_scale(Network& network, const WalkImages& images, const CarrierOptions& options,
                          Monitor& monitor) {
  check(network, options);
  centre_stream(network);
  blind_to_mean(network);
  const NormsAtTheEnd guard(network);
  for (size_t site = 0; site < network.sites().size(); ++site) {
    if (!network.sites()[site].writer) continue;
    const double ratio = carrier_ratio(options, network.sites()[site].channels);
    network.set_normalizer(site, [ratio](const Tensor& x) { return without_mean(carried_log(x, ratio)); });
  }
  carry_scale(network, images, options, nullptr, monitor);
}

void let_channel_carry_scale(Network& network, const WalkImages& images, const CarrierOptions& options,
                             Monitor& monitor) {
  check(network, options);
  free_channel(network);
  add_r_units(network, options.units.value_or(default_r_units(network)));
  tell_first_spread(network, images, options);
  const NormsAtTheEnd guard(network);
  for (size_t site = 0; site < network.sites().size(); ++site) {
    network.set_normalizer(site, [&network, site](const Tensor& x) {
      return x * (-told(network.sites()[site].carried, x)).exp();
    });
  }
  carry_scale(network, images, options, nullptr, monitor);
}

}  // namespace normgraft
