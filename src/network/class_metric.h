#pragma once

#include "normgraft/network/network.h"

namespace normgraft {

/// What writers say is told from few pictures, of few classes. In the last writers a class token moves along
/// the directions in which classes differ, whatever the class; so a regression there should trust most what
/// no class has for itself.
///
/// With H the covariance over classes of the rows of the last Linear, gamma within, and E diag(l) E' = H: E
/// diag(1 / l) [D, D], l at least a small part of the largest. Ridge regression on x times it shrinks a slope
/// along an axis of H by l^2. Undefined where the last Linear does not read single tokens, or is not there.
Tensor class_metric(const Network& network);

}  // namespace normgraft
