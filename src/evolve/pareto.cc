#include "pareto.h"

#include <limits>
#include <numeric>
#include <unordered_map>

namespace normgraft {
namespace {

constexpr double kSameError = 1e-8;

uint64_t mixed(uint64_t a, uint64_t b) {
  uint64_t z = (a ^ (b * 0x9e3779b97f4a7c15ULL)) + 0x632be59bd9b4e019ULL;
  z = (z ^ (z >> 29)) * 0xbf58476d1ce4e5b9ULL;
  return z ^ (z >> 32);
}

bool commutes(Op op) {
  return op == Op::kAdd || op == Op::kMul || op == Op::kMin || op == Op::kMax;
}

bool less_costly(const Individual& a, const Individual& b) {
  return std::tuple(a.cost, a.error, a.structure) < std::tuple(b.cost, b.error, b.structure);
}

/// Leaves `individuals` by increasing cost and error, without duplicates.
void drop_duplicates(std::vector<Individual>& individuals) {
  std::sort(individuals.begin(), individuals.end(), less_costly);
  std::unordered_map<uint64_t, double> best;
  for (const Individual& i : individuals) {
    const auto [entry, added] = best.try_emplace(i.structure, i.error);
    if (!added) entry->second = std::min(entry->second, i.error);
  }
  std::vector<Individual> kept;
  kept.reserve(individuals.size());
  for (Individual& i : individuals) {
    const auto entry = best.find(i.structure);
    if (entry == best.end() || i.error > entry->second) continue;
    best.erase(entry);
    if (!kept.empty() && kept.back().cost == i.cost && i.error - kept.back().error <= kSameError * i.error)
      continue;
    kept.push_back(std::move(i));
  }
  individuals = std::move(kept);
}

/// Fronts of indices into individuals sorted by increasing cost and error; within a front errors decrease.
std::vector<std::vector<size_t>> sorted_fronts(const std::vector<Individual>& individuals) {
  std::vector<std::vector<size_t>> fronts;
  for (size_t i = 0; i < individuals.size(); ++i) {
    const auto dominates = [&](const std::vector<size_t>& front, double error) {
      return individuals[front.back()].error <= error;
    };
    const auto found = std::lower_bound(fronts.begin(), fronts.end(), individuals[i].error, dominates);
    if (found == fronts.end()) {
      fronts.push_back({i});
    } else {
      found->push_back(i);
    }
  }
  return fronts;
}

/// The indices of one front by decreasing crowding distance.
std::vector<size_t> by_crowding(const std::vector<size_t>& front,
                                const std::vector<Individual>& individuals) {
  const auto at = [&](size_t k) -> const Individual& { return individuals[front[k]]; };
  const size_t last = front.size() - 1;
  std::vector<double> distance(front.size(), std::numeric_limits<double>::infinity());
  for (size_t k = 1; k < last; ++k) {
    distance[k] = (at(k + 1).cost - at(k - 1).cost) / (at(last).cost - at(0).cost) +
                  (at(k - 1).error - at(k + 1).error) / (at(0).error - at(last).error);
  }
  std::vector<size_t> order(front.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return distance[a] > distance[b]; });
  for (size_t& k : order) k = front[k];
  return order;
}

}  // namespace

uint64_t structure_hash(const Expression& expression) {
  std::vector<uint64_t> stack;
  for (const Instruction& step : expression.program()) {
    uint64_t hash = mixed(static_cast<uint64_t>(step.op) + 1, 0);
    if (primitive(step.op).arity == 2) {
      uint64_t right = stack.back();
      stack.pop_back();
      uint64_t left = stack.back();
      stack.pop_back();
      if (commutes(step.op) && right < left) std::swap(left, right);
      hash = mixed(mixed(hash, left), right);
    } else if (primitive(step.op).arity == 1) {
      hash = mixed(hash, stack.back());
      stack.pop_back();
    }
    stack.push_back(hash);
  }
  return stack.back();
}

std::vector<Individual> select_best(std::vector<Individual> candidates, size_t capacity,
                                    const std::function<bool(Individual&)>& accept) {
  drop_duplicates(candidates);
  std::vector<Individual> best;
  best.reserve(std::min(capacity, candidates.size()));
  for (const std::vector<size_t>& front : sorted_fronts(candidates)) {
    for (size_t index : by_crowding(front, candidates)) {
      if (best.size() == capacity) return best;
      if (accept(candidates[index])) best.push_back(std::move(candidates[index]));
    }
  }
  return best;
}

}  // namespace normgraft
