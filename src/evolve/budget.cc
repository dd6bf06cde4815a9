#include "normgraft/evolve/budget.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace normgraft {
namespace {

/// A selection for the sites up to one, as the option of that one and the selection before it.
struct State {
  double cost = 0;
  double loss = 0;
  size_t before = 0;
  size_t option = 0;
};

/// Keeps what nothing cheaper or as cheap beats, by increasing cost.
void keep_undominated(std::vector<State>& states) {
  std::sort(states.begin(), states.end(), [](const State& a, const State& b) {
    if (a.cost != b.cost) return a.cost < b.cost;
    if (a.loss != b.loss) return a.loss < b.loss;
    return a.before != b.before ? a.before < b.before : a.option < b.option;
  });
  double best = std::numeric_limits<double>::infinity();
  std::erase_if(states, [&best](const State& state) {
    if (!(state.loss < best)) return true;
    best = state.loss;
    return false;
  });
}

/// The best, which is the last, of each of `most` equal steps of cost.
void thin(std::vector<State>& states, size_t most) {
  if (states.size() <= most) return;
  const double low = states.front().cost;
  const double width = (states.back().cost - low) / static_cast<double>(most);
  const auto step = [&](const State& state) { return std::floor((state.cost - low) / width); };
  std::vector<State> kept = {states.front()};
  for (size_t i = 1; i < states.size(); ++i) {
    if (i + 1 == states.size() || step(states[i]) != step(states[i + 1])) kept.push_back(states[i]);
  }
  states = std::move(kept);
}

std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> rank(values.size());
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (size_t i = begin; i < end; ++i) rank[order[i]] = 0.5 * static_cast<double>(begin + end - 1);
  }
  return rank;
}

}  // namespace

std::vector<Selection> budget_curve(const std::vector<std::vector<Option>>& sites, size_t most_states) {
  if (sites.empty()) return {};
  std::vector<std::vector<State>> layers;
  for (const std::vector<Option>& options : sites) {
    const std::vector<State> start = {{}};
    const std::vector<State>& before = layers.empty() ? start : layers.back();
    std::vector<State> states;
    states.reserve(before.size() * options.size());
    for (size_t b = 0; b < before.size(); ++b) {
      for (size_t o = 0; o < options.size(); ++o) {
        states.push_back({before[b].cost + options[o].cost, before[b].loss + options[o].loss, b, o});
      }
    }
    keep_undominated(states);
    thin(states, most_states);
    if (states.empty()) return {};
    layers.push_back(std::move(states));
  }
  std::vector<Selection> curve;
  for (const State& last : layers.back()) {
    Selection selection{last.cost, last.loss, std::vector<size_t>(sites.size())};
    const State* state = &last;
    for (size_t site = sites.size(); site-- > 0;) {
      selection.options[site] = state->option;
      if (site > 0) state = &layers[site - 1][state->before];
    }
    curve.push_back(std::move(selection));
  }
  return curve;
}

size_t within_budget(const std::vector<Selection>& curve, double budget) {
  size_t found = 0;
  for (size_t i = 0; i < curve.size() && curve[i].cost <= budget; ++i) found = i;
  return found;
}

double rank_correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const size_t n = a.size();
  if (n < 2 || b.size() != n) return std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> ra = ranks(a), rb = ranks(b);
  const double middle = 0.5 * static_cast<double>(n - 1);
  double aa = 0, bb = 0, ab = 0;
  for (size_t i = 0; i < n; ++i) {
    aa += (ra[i] - middle) * (ra[i] - middle);
    bb += (rb[i] - middle) * (rb[i] - middle);
    ab += (ra[i] - middle) * (rb[i] - middle);
  }
  if (aa <= 0 || bb <= 0) return std::numeric_limits<double>::quiet_NaN();
  return ab / std::sqrt(aa * bb);
}

}  // namespace normgraft
