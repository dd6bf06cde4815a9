#pragma once

#include "normgraft/core/monitor.h"
#include "normgraft/network/network.h"

namespace normgraft {

/// LayerNorm divides a token's x by its spread s over channels, which no function of x alone can know. But
/// LayerNorm does not see a number added to all channels of a token, so this number can carry s: where the
/// mean m of a token is k s,
///     k log(x) = k log(k s) + k log(1 + (x - m) / (k s)) = a number for all channels + (x - m) / s - ...
/// is LayerNorm's y, up to a number for all channels that a Linear may be blind to (blind_to_mean), and up to
/// curvature that falls with k. Any Linear that writes the residual stream can add a linear function of its
/// input to all channels, at no cost; s is foretold well by one (within 5 % at most sites of DeiT-Tiny, where
/// it varies by 10 to 40 %).
struct CarrierOptions {
  double ratio =
      0;  ///< k: the mean of a token over its spread, above sqrt(D), so that x stays positive; 0: 4 sqrt(D)
  double damping = 0.1;  ///< of the regression, of the mean squared input, > 0
};

/// k of these options for D channels.
double carrier_ratio(const CarrierOptions& options, int64_t channels);

/// k log(m / k) of each token of x [..., D]: [..., 1]; m is taken as at least a tenth of k.
Tensor carried_offset(const Tensor& x, double ratio);

/// y of LayerNorm but for a number for all channels, from x that carries its scale: k log(x / k), straight
/// below a tenth of k.
Tensor carried_log(const Tensor& x, double ratio);

/// Walks the network over images [B, 3, height, width], with the normalizers it has, and rewrites every
/// Linear that writes the stream in turn, by ridge regression on the activations that the network really has:
/// so that the mean of each token behind it is `ratio` times its spread, which is noted at the site there
/// (Site::carried). The errors are relative; tokens ahead of the patches weigh together a tenth of what the
/// patches do. A network whose sites are LayerNorms computes what it computed before.
///
/// With a teacher, what each Linear writes is first drawn towards what brings the stream to the teacher's,
/// mean apart, by ridge regression of the same damping. The stream must have no mean but the carrier's
/// (centre_stream). Throws InputError naming an option out of range, or a network that hides no mean
/// (hides_mean).
void carry_scale(Network& network, const Tensor& images, const CarrierOptions& options,
                 const Network* teacher, Monitor& monitor);

/// The same from scratch for a network of LayerNorms: its stream centred, its readers blind to the mean, each
/// site with a writer fitted with logarithms (carried_log) at those before it, and LayerNorm at the others.
void let_mean_carry_scale(Network& network, const Tensor& images, const CarrierOptions& options,
                          Monitor& monitor);

}  // namespace normgraft
