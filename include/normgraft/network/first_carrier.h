#pragma once

#include "normgraft/network/carrier.h"

namespace normgraft {

// No Linear writes the stream ahead of the first site, and pixels tell the spread of their patch by no linear
// function: contrast has no sign. A few squares do: for token n
//     r = log(number[n] + sum over k of scale[k] (projection[k] . x)^2) / 2
// with x as it is embedded. The projections are Linears of the patch, so they can be rows of its embedding;
// they are few beside D. The rest is done once a token. Tensors: "carrier.projections" [K, D],
// "carrier.scales" [K], "carrier.numbers" [N].

/// Their names. r is linear in the last two, to first order (r_slopes.h).
inline constexpr const char* kFirstProjections = "carrier.projections";
inline constexpr const char* kFirstScales = "carrier.scales";
inline constexpr const char* kFirstNumbers = "carrier.numbers";

/// Takes these tensors out of a checkpoint's.
Tensors take_first_carrier(Tensors& checkpoint);

/// Gives them to a network that knows what its first site carries: none where no channel tells a range of r
/// there, else all. Throws InputError naming one that is missing, of the wrong shape, not finite or not
/// expected.
void set_first_carrier(Network& network, const Tensors& carrier);

/// Whether these tensors are there.
bool tells_first_spread(const Tensors& tensors);

/// x [B, N, D] of the first site with r added to its channel 0.
Tensor with_first_carrier(const Tensors& tensors, const Tensor& x);

/// Gives the network these tensors, fitted to its embedded images, so that r is close to the logarithm of the
/// spread at the first site, which has to carry a channel.
void tell_first_spread(Network& network, const WalkImages& images, const CarrierOptions& options);

}  // namespace normgraft
