#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "normgraft/network/tensors.h"

namespace normgraft {

/// The option of each site, in the order of sites.
using Indices = std::vector<size_t>;

/// How much more a plan loses than a base plan, to second order. Each known option of a site is a row, R in
/// all. A plan has one row for each site. It loses the sum of `slope` over its rows, and half the sum of
/// `bend` over all pairs of its rows, which may be of different sites.
struct PlanLoss {
  std::vector<std::vector<std::optional<size_t>>>
      rows;                   ///< by site and option; empty where an option is not known and not to be chosen
  std::vector<double> slope;  ///< [R]
  std::vector<double> bend;   ///< [R, R], symmetric

  double of(const Indices& plan) const;
};

/// The plan to which steepest descent from `start` leads. A step exchanges the options of one site or of two.
/// The plan differs from `start` at `reach` sites at most, and costs no more than `budget`; `costs` are by
/// site and option. `start` is within the budget, and its options are known.
Indices descend(const PlanLoss& loss, const std::vector<std::vector<double>>& costs, const Indices& start,
                double budget, size_t reach);

/// Foretells the logits of plans near a base plan. It is told how the logits move when one site gets another
/// option, and takes the moves of several sites to add up.
class Superposition {
 public:
  /// The logits of the teacher and of the base plan, [B, classes]; `options`: how many each site has.
  Superposition(const Tensor& teacher, const Tensor& logits, const Indices& base, const Indices& options);

  /// Tells the logits of the base plan with another option at one site. Once for each option.
  void add(size_t site, size_t option, const Tensor& logits);

  /// Tells the logits of a whole plan of known options. They differ from what the moves add up to. The
  /// difference is shared in equal parts among the moves of the sites at which the plan is not the base.
  void learn(const Indices& plan, const Tensor& logits);

  /// Makes a plan of known options the base; `logits` are its own.
  void move(const Indices& plan, const Tensor& logits);

  /// By how much KL(teacher || plan) exceeds that of the base: to second order about the base, mean over
  /// pictures.
  PlanLoss loss() const;

 private:
  Tensor& shift(size_t site, size_t option) { return shifts_[*rows_[site][option]]; }

  Tensor teacher_, logits_;  // [B, classes]
  Indices base_;
  std::vector<std::vector<std::optional<size_t>>> rows_;
  std::vector<Tensor> shifts_;  // of each row, from the base's logits: [B, classes]
};

}  // namespace normgraft
