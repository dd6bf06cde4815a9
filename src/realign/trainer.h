#pragma once

#include <torch/torch.h>

#include <optional>
#include <string>
#include <vector>

#include "normgraft/realign/realign.h"
#include "stream_hint.h"

namespace normgraft {

/// The state of a training run: the student, the optimiser, where it stands, and its checkpoint.
class Trainer {
 public:
  /// `train` and `held_out` are disjoint parts of the pictures; `identity` names everything that the run
  /// depends on, so that a checkpoint of another run is not taken for its own.
  Trainer(Graft& student, const Vit* teacher, std::vector<Picture> train, std::vector<Picture> held_out,
          const RealignOptions& options, std::string identity, Path folder, Monitor& monitor);

  /// Goes on from the checkpoint, if there is one. One of another run is an InputError, or passed over.
  void resume(bool pass_over_others);
  bool finished() const { return static_cast<int64_t>(history_.size()) > options_.epochs; }
  /// The next epoch, judged and saved; epoch 0 is the start, without a step.
  void run_epoch();

  const std::vector<EpochMetrics>& history() const { return history_; }
  int64_t best_epoch() const;

 private:
  torch::Tensor loss(const torch::Tensor& logits, const torch::Tensor& teacher,
                     const torch::Tensor& labels) const;
  /// Undefined where the mode has no use for them.
  torch::Tensor teacher_logits(const torch::Tensor& images, const Vit::Observer& observer = {}) const;
  /// The loss of a batch, and its gradients, those of the hint included, in the parameters.
  double find_gradients(const torch::Tensor& images, const torch::Tensor& labels);
  /// The share of some pictures in them.
  double add_gradients(const torch::Tensor& images, const torch::Tensor& labels, double share,
                       std::vector<torch::Tensor>& gradients) const;
  void train(EpochMetrics& metrics);
  void judge(EpochMetrics& metrics);
  void save() const;
  double rate_at(int64_t step) const;
  int64_t steps_per_epoch() const;

  Graft& student_;
  const Vit* teacher_;
  std::vector<Picture> train_, held_out_;
  RealignOptions options_;
  std::string identity_;
  Path folder_;
  Monitor& monitor_;
  std::vector<torch::Tensor> parameters_;
  std::unique_ptr<torch::optim::AdamW> optimizer_;
  std::optional<StreamHint> hint_;
  std::vector<EpochMetrics> history_;
};

}  // namespace normgraft
