#pragma once

#include <map>
#include <set>
#include <string>

#include "normgraft/core/monitor.h"
#include "normgraft/network/network.h"
#include "ranges.h"

namespace normgraft {

/// What enters a Linear: how it is kept, and what that loses.
struct OperandGrid {
  IntegerGrid grid;
  double loss = 0;  ///< nats, of this place alone in 8 bits on the pictures that chose it
  /// Inputs that reach far have a grid of their own, so that the others have a finer one: which, [K], or
  /// undefined where all have `grid`.
  Tensor far = {};
  IntegerGrid far_grid = {};
};

/// x as a place keeps it.
Tensor on_grids(const OperandGrid& operand, const Tensor& x);

/// A place that is to be chosen for.
struct OperandPlace {
  std::string name;        ///< of the weight behind it
  size_t site = 0;         ///< the norm site behind which it lies, before the next one
  bool symmetric = false;  ///< its grid has no zero but 0
  bool divides = false;    ///< whether far inputs may have a grid of their own
};

/// What a place may lose in 8 bits before it gets 16.
inline constexpr double kMostLoss = 0.01;

/// For each place the grid of 8 bits on which the answers of the network change least, measured with that
/// place alone rounded: KL to the network itself, in nats, mean over `images`. A grid may cut off what lies
/// far out: that the squared error falls does not tell whether the answers stay, as what is cut off is often
/// one channel of all tokens. Where that loses something and the place divides, the inputs that reach
/// furthest may have a grid of their own. Where even the best loses more than kMostLoss, a grid of 16 bits
/// over all that was seen. `places` come in the order of their sites.
std::map<std::string, OperandGrid> choose_operand_grids(
    Network& network, const Tensor& images, const std::map<std::string, RangeWatcher::Place>& seen,
    const std::vector<OperandPlace>& places, Monitor& monitor);

/// The grid over all that was seen at a place.
IntegerGrid full_grid(const Histogram& seen, bool symmetric, int bits);

}  // namespace normgraft
