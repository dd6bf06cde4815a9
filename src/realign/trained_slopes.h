#pragma once

#include <span>
#include <vector>

#include "normgraft/network/network.h"

namespace normgraft {

/// What tells r at a site (r_slopes), as something to train while the rest of its tensors stays as it is: J
/// numbers, the change of each from where it started. They come in units of the root mean square of what is
/// alike in kind: of slopes u, of scales, of numbers. Weight decay of the change draws back to the start.
class TrainedSlopes {
 public:
  /// r_slopes(network, site) are defined. The network outlives it and gets its tensors from place().
  TrainedSlopes(Network& network, size_t site);

  /// The change [J], for an optimiser.
  const Tensor& change() const { return change_; }

  /// Puts start + unit * change into the network, as leaves to differentiate by.
  void place();
  std::vector<Tensor> leaves() const;
  /// The gradient by the change, from those by the leaves; undefined where one of them is.
  Tensor gradient(std::span<const Tensor> by_leaves) const;

 private:
  Network& network_;
  size_t site_;
  std::vector<std::string> names_;  ///< of the tensors
  Tensor start_, unit_, change_;    ///< [J]
};

/// Those of all sites that carry a channel and are `wanted`.
std::vector<TrainedSlopes> trained_slopes(Network& network, const std::function<bool(size_t site)>& wanted);

}  // namespace normgraft
