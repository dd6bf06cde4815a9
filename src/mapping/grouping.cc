#include "grouping.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace normgraft {
namespace {

/// Rank of each item in [0, 1): by mass up to the middle of the item, and by position.
struct Ranks {
  std::vector<double> mass, position;
};

Ranks rank_items(std::span<const double> mass, std::span<const double> position) {
  const double total = std::accumulate(mass.begin(), mass.end(), 0.0);
  const double range = position.back() - position.front();
  Ranks ranks;
  double sum = 0;
  for (size_t i = 0; i < mass.size(); ++i) {
    ranks.mass.push_back((sum + 0.5 * mass[i]) / total);
    ranks.position.push_back((position[i] - position.front()) / range);
    sum += mass[i];
  }
  return ranks;
}

/// Starts of the runs of items that share the same of `by_mass` classes of mass and of `by_position` classes
/// of position.
std::vector<size_t> split(const Ranks& ranks, double by_mass, double by_position) {
  std::vector<size_t> starts{0};
  for (size_t i = 1; i < ranks.mass.size(); ++i) {
    if (std::floor(ranks.mass[i] * by_mass) != std::floor(ranks.mass[i - 1] * by_mass) ||
        std::floor(ranks.position[i] * by_position) != std::floor(ranks.position[i - 1] * by_position)) {
      starts.push_back(i);
    }
  }
  return starts;
}

}  // namespace

std::vector<size_t> group_items(std::span<const double> mass, std::span<const double> position,
                                size_t count) {
  if (mass.size() <= count) {
    std::vector<size_t> starts(mass.size());
    std::iota(starts.begin(), starts.end(), size_t{0});
    return starts;
  }
  const Ranks ranks = rank_items(mass, position);
  // The last item has position rank 1: half a class less keeps it out of a class of its own.
  const double by_position = std::max(0.0, static_cast<double>(count / 2) - 0.5);
  size_t low = count - count / 2;
  size_t high = 64 * count;
  std::vector<size_t> best = split(ranks, static_cast<double>(low), by_position);
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    std::vector<size_t> starts = split(ranks, static_cast<double>(middle), by_position);
    if (starts.size() <= count) {
      low = middle;
      best = std::move(starts);
    } else {
      high = middle;
    }
  }
  return best;
}

}  // namespace normgraft
