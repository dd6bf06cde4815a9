#pragma once

#include <vector>

#include "normgraft/core/monitor.h"
#include "normgraft/data/folder.h"
#include "normgraft/network/network.h"

namespace normgraft {

/// KL(teacher || model) of the softmax, nats, temperature 1, for each row of logits [B, classes], F64 [B].
Tensor divergence(const Tensor& teacher, const Tensor& model);

/// How far a model is from its teacher: means over pictures.
struct Distance {
  double kl = 0;         ///< divergence()
  double agreement = 0;  ///< share of pictures with the teacher's argmax
};

/// Some pictures, held in memory, with what the teacher says to them: measures models against it, as often as
/// wanted.
class Yardstick {
 public:
  /// Throws InputError when no picture could be read, or the teacher tells fewer than two classes apart.
  Yardstick(const Network& teacher, const std::vector<Picture>& pictures, Monitor& monitor);

  /// Over the first `pictures` of them; 0: all.
  Distance measure(const Network& model, int64_t pictures = 0) const;

  /// What a model says to all pictures, and what the teacher does: [B, classes].
  Tensor logits(const Network& model) const;
  const Tensor& teacher_logits() const { return logits_; }

  int64_t pictures() const { return images_.size(0); }

 private:
  Tensor images_;  // [B, 3, height, width]
  Tensor logits_;  // [B, classes]
};

}  // namespace normgraft
