#pragma once

#include <cstddef>
#include <vector>

namespace normgraft {

/// One thing that a site can be given: what it costs, at least 0, and what it loses.
struct Option {
  double cost = 0;
  double loss = 0;
};

/// One option for every site.
struct Selection {
  double cost = 0;
  double loss = 0;              ///< the sum over sites
  std::vector<size_t> options;  ///< index of the option of each site
};

/// All selections that no other beats in both cost and summed loss, by increasing cost: the answer to every
/// budget at once, by dynamic programming over the sites. Exact while no more than `most_states` partial
/// selections are undominated, as with costs that are multiples of a common unit; beyond that each of as many
/// equal steps of cost keeps its best, and costs stay true. Empty when there is no site, or one has no
/// option.
std::vector<Selection> budget_curve(const std::vector<std::vector<Option>>& sites, size_t most_states = 8192);

/// The last of a curve's selections within a budget; the first one's index when none is.
size_t within_budget(const std::vector<Selection>& curve, double budget);

/// Spearman's rank correlation, ties at their mean rank; NaN for fewer than two pairs or a constant side.
double rank_correlation(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace normgraft
