#pragma once

#include <string>
#include <vector>

#include "normgraft/network/network.h"

namespace normgraft {

// What a site's r is told by, beside the biases of the writers: the J numbers in which r is linear. Where a
// Linear writes channel 0, the slopes u in row 0 of its weight. At the first site the scales and then the
// numbers of its carrier (first_carrier.h), in which r is linear to first order.

/// The names of the tensors that hold them, in their order: of a weight, row 0 does. None where no channel
/// tells a range of r.
std::vector<std::string> r_slope_tensors(const Network& network, size_t site);

/// [J], a copy; undefined where no channel tells a range of r.
Tensor r_slopes(const Network& network, size_t site);

/// Puts others [J] in their place, in new tensors.
void set_r_slopes(Network& network, size_t site, const Tensor& slopes);

}  // namespace normgraft
