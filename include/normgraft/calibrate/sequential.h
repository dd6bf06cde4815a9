#pragma once

#include <vector>

#include "normgraft/graft/graft.h"
#include "normgraft/graft/yardstick.h"

namespace normgraft {

struct SequentialOptions {
  int probes = 2;               ///< directions of the logits looked at for each picture, 1 to 1000
  int sweeps = 3;               ///< over the whole network at most, 1 to 1000
  int walk_steps = 8;           ///< while later sites keep their norm, at most; 1 to 1000
  int64_t walk_pictures = 256;  ///< that a step uses as long as later sites keep LayerNorm, at least 1
  double trust = 0.7;           ///< divergence, in nats, up to which a step may look at the graft, > 0
  uint64_t seed = 1;            ///< of the directions

  /// Throws InputError naming the field, its value and its range.
  void validate() const;
};

/// One step of the walk.
struct SequentialStep {
  size_t sites = 0;        ///< norm sites replaced while it was made, from the first on
  Distance before, after;  ///< on the pictures that it was not fitted to
  double damping = 0;      ///< in units of the mean squared row; 0: no damping helped and nothing changed
  double seconds = 0;      ///< since the walk began
};

/// Closed-form re-alignment: slope and shift of every channel of y (gamma, beta), the functions' constants,
/// and the shift of every channel of x (in the bias of the Linear that wrote the stream last), for all
/// replaced sites at once, solved from the activations that the graft really has. No labels, no learning
/// rate.
///
/// A step looks at the error r of the graft's logits against the teacher's through directions v (draw_probe,
/// at the mean of both predictions): v . r is to be met by what small changes of slopes, shifts and constants
/// do to v . logits, which one backward pass of activations gives for all sites. The sum over pictures and
/// directions of (v . r - a . change)^2 is twice the divergence to second order, cross-site terms included
/// (Gauss-Newton); it is solved with damping |change|^2, slopes and shifts in units of y and x, constants
/// relative to their size. A picture on which the graft is far more sensitive than on the median one counts
/// less. The damping, and whether to step at all, is decided by the divergence on `held_out`.
///
/// Where the whole graft is further than `trust` from the teacher, no expansion about it holds: then sites
/// join from the first on, as many at a time as keep within it, but enough to arrive in `walk_steps`, with a
/// step each; LayerNorm behind them. The last steps see the whole network and end when they no longer help.
///
/// `pictures` and `held_out` are disjoint. Throws InputError when no picture could be read. The same bytes
/// for the same number of threads.
std::vector<SequentialStep> calibrate_sequential(Graft& graft, const Network& teacher,
                                                 const std::vector<Picture>& pictures,
                                                 const Yardstick& held_out, const SequentialOptions& options,
                                                 Monitor& monitor);

}  // namespace normgraft
