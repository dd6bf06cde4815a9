#pragma once

#include <vector>

#include "normgraft/core/monitor.h"
#include "normgraft/data/folder.h"
#include "normgraft/network/network.h"

namespace normgraft {

/// A second signal for re-alignment beside the logits: the residual stream before every norm site, student
/// beside teacher. An error there weighs what it costs the teacher's prediction, for each token and channel:
/// the squared gradient of draw_probe, mean over some pictures. Half the weighted square is then a divergence
/// in nats, to second order and without what errors have in common. What all channels share is left out:
/// LayerNorm does not see it.
class StreamHint {
 public:
  /// Looks at the first of some pictures. Throws InputError when none could be read.
  StreamHint(const Network& teacher, std::vector<Picture> pictures, uint64_t seed, Monitor& monitor);

  /// The streams of one forward pass: x of each site, as an observer sees it.
  using Streams = std::vector<Tensor>;
  Network::Observer watch(Streams& streams) const;

  /// Sum over sites, tokens, channels and pictures, differentiable in the student's.
  Tensor distance(const Streams& student, const Streams& teacher) const;

 private:
  std::vector<Carried> carried_;  // by site
  std::vector<Tensor> weights_;   // by site [N, D]; undefined for the first, which nothing comes before
};

}  // namespace normgraft
