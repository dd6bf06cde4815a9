#pragma once

#include "normgraft/network/tensors.h"

#include <cstddef>
#include <optional>
#include <vector>

namespace normgraft {

/// The option of each site, in the order of sites.
using Indices = std::vector<size_t>;

/// What plans lose beyond a base plan, to second order: the sum of `slope` over the rows of a plan's options,
/// and half the sum of `bend` over their pairs, terms between sites included.
struct PlanLoss {
  std::vector<std::vector<std::optional<size_t>>>
      rows;                   ///< by site and option; nothing: not known, not to be chosen
  std::vector<double> slope;  ///< [R]
  std::vector<double> bend;   ///< [R, R], symmetric

  double of(const Indices& plan) const;
};

/// The plan that steepest descent over exchanges at one and at two sites finds from `start`: what it costs
/// stays within `budget` (costs by site and option; `start` is within it), and it differs from `start` at
/// `reach` sites at most. The options of `start` are known.
Indices descend(const PlanLoss& loss, const std::vector<std::vector<double>>& costs, const Indices& start,
                double budget, size_t reach);

/// How exchanges of single functions in a base plan move the logits, taken to add up in any plan near it.
class Superposition {
 public:
  /// `teacher` and `logits` (of the base) [B, classes]; `options` says how many each site has.
  Superposition(const Tensor& teacher, const Tensor& logits, const Indices& base,
                const Indices& options);

  /// The logits of the base with another option at one site, not told before.
  void add(size_t site, size_t option, const Tensor& logits);

  /// The logits of a plan of known options: those in which it differs from the base answer alike for what is
  /// unexpected.
  void learn(const Indices& plan, const Tensor& logits);

  /// Makes a plan, with its logits, the base.
  void move(const Indices& plan, const Tensor& logits);

  /// KL(teacher || plan) to second order about the base, means over pictures, less the base's own.
  PlanLoss loss() const;

 private:
  Tensor& shift(size_t site, size_t option) { return shifts_[*rows_[site][option]]; }

  Tensor teacher_, logits_;  // [B, classes]
  Indices base_;
  std::vector<std::vector<std::optional<size_t>>> rows_;
  std::vector<Tensor> shifts_;  // of each row: [B, classes]
};

}  // namespace normgraft
