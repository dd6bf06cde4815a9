#pragma once

#include <optional>
#include <vector>

#include "normgraft/core/monitor.h"
#include "normgraft/network/network.h"

namespace normgraft {

// LayerNorm divides a token's x by its spread s over channels, which no function of one x can know. A carrier
// tells it: any Linear that writes the residual stream can add a linear function of its input, and s is
// foretold well by one (within 4 to 6 % at most sites of DeiT-Tiny, where it varies by 11 to 36 %).
//
// The channel carrier: LayerNorm does not see a number added to all channels of a token. So the stream may be
// turned until this direction is a channel of its own, channel 0 (free_channel). There each writer tells r =
// log s, and x g(r) with g(r) = exp(-r) is LayerNorm's y. Once a token, and linear in x.
//
// The mean carrier: the number itself, the mean m of a token, is made k s. Then
//     k log(x) = k log(k s) + k log(1 + (x - m) / (k s)) = a number for all channels + (x - m) / s - ...
// is LayerNorm's y, up to a number for all channels that a Linear may be blind to (blind_to_mean), and up to
// curvature that falls with k. A function of x alone.

/// What an error costs at a site, in a unit that is the same for all tokens: of all tokens ahead of the
/// patches together, and of all patches together.
struct TokenCosts {
  double prefix = 0.1, patches = 1;
};

/// Of relative errors of the spread, and of errors of the stream, at one site.
struct SiteCosts {
  TokenCosts scale, stream;
};

struct CarrierOptions {
  /// k of a mean carrier: the mean of a token over its spread, above sqrt(D), so that x stays positive; 0:
  /// 4 sqrt(D)
  double ratio = 0;
  /// Of the regressions, in units of the mean squared input, > 0; where there are pictures to choose by,
  /// these choose it.
  double damping = 0.1;
  /// Hidden units of each MLP for r alone (r_units.h), where a channel is carried from scratch, >= 0;
  /// nothing: default_r_units()
  std::optional<int64_t> units = {};
  /// By site; empty: those of TokenCosts at each.
  std::vector<SiteCosts> costs = {};
};

/// Pictures of a walk [B, 3, height, width]: those fitted to, and those that choose the damping, which may be
/// undefined.
struct WalkImages {
  Tensor fit, choose;
};

/// k of these options for D channels.
double carrier_ratio(const CarrierOptions& options, int64_t channels);

/// k log(m / k) of each token of x [..., D]: [..., 1]; m is taken as at least a tenth of k.
Tensor carried_offset(const Tensor& x, double ratio);

/// y of LayerNorm but for a number for all channels, from x that carries its scale in its mean: k log(x / k),
/// straight below a tenth of k.
Tensor carried_log(const Tensor& x, double ratio);

/// r of each token, within its range (Carried): x [..., D] of a site that carries a channel -> [..., 1]. An r
/// that is NaN stays NaN.
Tensor told(const Carried& carried, const Tensor& x);

/// x [..., D] without channel 0 or without its mean over channels: what a carrier tells is not compared.
Tensor without_told(const Carried& carried, const Tensor& x);

/// What is carried, with the range of these r, a little widened.
Carried with_range(Carried carried, const Tensor& r);

/// Walks the network over images, with the normalizers it has, and rewrites every Linear that writes the
/// stream in turn, by ridge regression on the activations that the network really has: so that behind it each
/// token tells its spread in the way of its site, in a channel (Carried::channel) or in the mean, which is
/// noted there. The errors are relative. A network whose sites are norms computes what it computed before.
///
/// With a teacher, what each Linear writes is first drawn towards what brings the stream to the teacher's,
/// the carrier apart. Throws InputError naming an option out of range, or a network that hides no mean
/// (hides_mean).
void carry_scale(Network& network, const WalkImages& images, const CarrierOptions& options,
                 const Network* teacher, Monitor& monitor);

/// The mean carrier from scratch for a network of LayerNorms: its stream centred, its readers blind to the
/// mean, each site with a writer fitted with logarithms (carried_log) at those before it, and LayerNorm at
/// the others. Where it is interrupted, the sites are norms again, and what some of them carry is missing.
void let_mean_carry_scale(Network& network, const WalkImages& images, const CarrierOptions& options,
                          Monitor& monitor);

/// The channel carrier from scratch, where can_free_channel(): a channel freed (free_channel), the spread at
/// the first site told by squares (first_carrier.h), and each writer fitted with x exp(-r) at the sites
/// before it. Interrupted as above.
void let_channel_carry_scale(Network& network, const WalkImages& images, const CarrierOptions& options,
                             Monitor& monitor);

}  // namespace normgraft
