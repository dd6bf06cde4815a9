#include "superposition.h"

#include <ATen/ATen.h>

#include <cmath>

namespace normgraft {
namespace {

constexpr double kLeastGain = 1e-9;  ///< nats; smaller steps are not taken

std::vector<double> values(const Tensor& tensor) {
  const Tensor flat = tensor.to(at::kDouble).contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

/// A plan on its way down, and what each known option would change in it.
class Descent {
 public:
  Descent(const PlanLoss& loss, const std::vector<std::vector<double>>& costs, const Indices& start,
          double budget, size_t reach)
      : loss_(loss), costs_(costs), start_(start), plan_(start), budget_(budget), reach_(reach) {
    for (size_t s = 0; s < plan_.size(); ++s) {
      cost_ += costs_[s][plan_[s]];
      for (size_t o = 0; o < loss_.rows[s].size(); ++o) {
        if (loss_.rows[s][o]) known_.push_back({s, o, *loss_.rows[s][o]});
      }
    }
  }

  Indices run() {
    while (step()) {
    }
    return plan_;
  }

 private:
  struct Known {
    size_t site, option, row;
  };

  size_t row_at(size_t site) const { return *loss_.rows[site][plan_[site]]; }
  double bend(size_t a, size_t b) const { return loss_.bend[a * loss_.slope.size() + b]; }

  /// What an exchange at one site changes.
  double change(const Known& to) const {
    const size_t from = row_at(to.site);
    double change = loss_.slope[to.row] - loss_.slope[from] + 0.5 * (bend(to.row, to.row) - bend(from, from));
    for (size_t s = 0; s < plan_.size(); ++s) {
      if (s != to.site) change += bend(to.row, row_at(s)) - bend(from, row_at(s));
    }
    return change;
  }

  double extra_cost(const Known& to) const {
    return costs_[to.site][to.option] - costs_[to.site][plan_[to.site]];
  }

  /// By how much an exchange changes the number of sites that differ from the start.
  int farther(const Known& to) const {
    return static_cast<int>(to.option != start_[to.site]) -
           static_cast<int>(plan_[to.site] != start_[to.site]);
  }

  bool is_allowed(double extra, int farther) const {
    return cost_ + extra <= budget_ && static_cast<int>(changed_) + farther <= static_cast<int>(reach_);
  }

  void exchange(const Known& to) {
    cost_ += extra_cost(to);
    changed_ += static_cast<size_t>(farther(to));  // modulo 2^64 where it is -1
    plan_[to.site] = to.option;
  }

  /// Takes the exchange at one or two sites that gains most; false where none gains.
  bool step() {
    std::vector<double> changes;
    for (const Known& k : known_) changes.push_back(change(k));
    double best = -kLeastGain;
    const Known *first = nullptr, *second = nullptr;
    for (size_t i = 0; i < known_.size(); ++i) {
      const Known& a = known_[i];
      if (a.option == plan_[a.site]) continue;
      if (changes[i] < best && is_allowed(extra_cost(a), farther(a))) {
        best = changes[i];
        first = &a;
        second = nullptr;
      }
      for (size_t j = 0; j < i; ++j) {
        const Known& b = known_[j];
        if (b.site == a.site || b.option == plan_[b.site]) continue;
        const size_t from_a = row_at(a.site), from_b = row_at(b.site);
        const double together =
            bend(a.row, b.row) - bend(a.row, from_b) - bend(from_a, b.row) + bend(from_a, from_b);
        const double both = changes[i] + changes[j] + together;
        if (both < best && is_allowed(extra_cost(a) + extra_cost(b), farther(a) + farther(b))) {
          best = both;
          first = &a;
          second = &b;
        }
      }
    }
    if (first != nullptr) exchange(*first);
    if (second != nullptr) exchange(*second);
    return first != nullptr;
  }

  const PlanLoss& loss_;
  const std::vector<std::vector<double>>& costs_;
  const Indices& start_;
  Indices plan_;
  double budget_;
  size_t reach_;
  std::vector<Known> known_;
  double cost_ = 0;
  size_t changed_ = 0;  // sites that differ from the start
};

}  // namespace

double PlanLoss::of(const Indices& plan) const {
  double loss = 0;
  for (size_t s = 0; s < plan.size(); ++s) {
    const size_t row = *rows[s][plan[s]];
    loss += slope[row];
    for (size_t t = 0; t < plan.size(); ++t) loss += 0.5 * bend[row * slope.size() + *rows[t][plan[t]]];
  }
  return loss;
}

Indices descend(const PlanLoss& loss, const std::vector<std::vector<double>>& costs, const Indices& start,
                double budget, size_t reach) {
  return Descent(loss, costs, start, budget, reach).run();
}

Superposition::Superposition(const Tensor& teacher, const Tensor& logits, const Indices& base,
                             const Indices& options)
    : teacher_(teacher), logits_(logits), base_(base) {
  for (size_t s = 0; s < options.size(); ++s) {
    rows_.emplace_back(options[s]);
    add(s, base[s], logits);
  }
}

void Superposition::add(size_t site, size_t option, const Tensor& logits) {
  rows_[site][option] = shifts_.size();
  shifts_.push_back(logits - logits_);
}

void Superposition::learn(const Indices& plan, const Tensor& logits) {
  Tensor surprise = logits - logits_;
  std::vector<size_t> changed;
  for (size_t s = 0; s < plan.size(); ++s) {
    if (plan[s] == base_[s]) continue;
    changed.push_back(s);
    surprise = surprise - shift(s, plan[s]);
  }
  for (const size_t s : changed) shift(s, plan[s]) += surprise / static_cast<double>(changed.size());
}

void Superposition::move(const Indices& plan, const Tensor& logits) {
  for (size_t s = 0; s < plan.size(); ++s) {
    const Tensor origin = shift(s, plan[s]).clone();
    for (const auto& row : rows_[s]) {
      if (row) shifts_[*row] -= origin;
    }
  }
  base_ = plan;
  logits_ = logits;
}

PlanLoss Superposition::loss() const {
  // q is the base's softmax, p the teacher's. The slope is (q - p) . shift. The bend is shift' F shift with
  // the Fisher information F = diag(q) - q q'. F is root' root, where the root takes q . shift off a shift
  // and scales by sqrt(q).
  const auto pictures = static_cast<double>(logits_.size(0));
  const Tensor p = teacher_.softmax(1), q = logits_.softmax(1);
  const Tensor shifts = at::stack(shifts_);
  const Tensor slope = ((q - p) * shifts).sum({1, 2}) / pictures;
  const Tensor rooted = ((q / pictures).sqrt() * (shifts - (q * shifts).sum(2, true))).flatten(1);
  return {rows_, values(slope), values(rooted.matmul(rooted.t()))};
}

}  // namespace normgraft
