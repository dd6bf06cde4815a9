#pragma once

#include <torch/optim.h>

#include <optional>
#include <string>
#include <vector>

#include "normgraft/graft/graft.h"
#include "normgraft/realign/realign.h"
#include "stream_hint.h"
#include "trained_slopes.h"

namespace normgraft {

/// The state of a training run: the student, the optimiser, where it stands, and its checkpoint.
class Trainer {
 public:
  /// `train` and `choose` are disjoint parts of the pictures; `identity` names everything that the run
  /// depends on, so that a checkpoint of another run is not taken for its own.
  Trainer(Graft& student, const Network* teacher, std::vector<Picture> train, std::vector<Picture> choose,
          const RealignOptions& options, std::string identity, Path folder, Monitor& monitor);

  /// Goes on from the checkpoint, if there is one. One of another run is an InputError, or passed over.
  void resume(bool pass_over_others);
  bool finished() const { return static_cast<int64_t>(history_.size()) > options_.epochs; }
  /// The next epoch, judged and saved; epoch 0 is the start, without a step.
  void run_epoch();

  /// The student as it is, on some pictures; at least one of them can be read.
  RealignScore score(const std::vector<Picture>& pictures) const;

  const std::vector<EpochMetrics>& history() const { return history_; }
  int64_t best_epoch() const;

 private:
  Tensor loss(const Tensor& logits, const Tensor& teacher, const Tensor& labels) const;
  /// Undefined where the mode has no use for them.
  Tensor teacher_logits(const Tensor& images, const Network::Observer& observer = {}) const;
  /// The loss of a batch, and its gradients, those of the hint included, in the parameters.
  double find_gradients(const Tensor& images, const Tensor& labels);
  /// The share of some pictures in them.
  double add_gradients(const Tensor& images, const Tensor& labels, double share,
                       const std::vector<Tensor>& by, std::vector<Tensor>& gradients) const;
  void train(EpochMetrics& metrics);
  void set_rate(double rate);
  void save() const;
  double rate_at(int64_t step) const;
  int64_t steps_per_epoch() const;

  Graft& student_;
  const Network* teacher_;
  std::vector<Picture> train_, choose_;
  RealignOptions options_;
  std::string identity_;
  Path folder_;
  Monitor& monitor_;
  /// All that the optimiser moves, and what to differentiate by for it: the same for `plain_` parameters,
  /// then the leaves of slopes of r.
  std::vector<Tensor> differentiated() const;

  std::vector<Tensor> parameters_;
  size_t plain_ = 0;
  std::vector<TrainedSlopes> slopes_;
  std::unique_ptr<torch::optim::AdamW> optimizer_;
  std::optional<StreamHint> hint_;
  std::vector<EpochMetrics> history_;
};

}  // namespace normgraft
