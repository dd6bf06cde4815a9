#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "constants.h"
#include "normgraft/cost/site_cost.h"
#include "normgraft/evolve/evolve.h"
#include "normgraft/mapping/least_squares.h"
#include "pareto.h"
#include "variation.h"

namespace normgraft {

/// What functions of the pairs of one site cost.
class PairCost {
 public:
  PairCost(const Profile& profile, const SiteMapping& site);

  /// Under a profile of operations the sum of these. Under one of circuits the area of the unit at the site,
  /// which may be infinite.
  double operator()(const Expression& g) const;

  /// Whether constants have a say in it.
  bool sees_constants() const { return area_.has_value(); }

  /// What the function at the site costs whose pairs' function costs so much.
  double at_site(double cost) const;

 private:
  Carried carried_;
  int64_t channels_;
  std::vector<double> by_op_;  ///< a Profile without the look-up by name
  std::optional<SiteCost> area_;
};

/// What every seed of one site searches on.
struct SearchProblem {
  const EvolveOptions& options;
  const FunctionSet& functions;
  const PairCost& cost;
  const Samples& samples;  ///< with the tail penalty's samples
  ConstantRules rules;
  std::vector<Expression> starts;  ///< in the first population
  Interval seen;
  int64_t channels;  ///< D
  Carried carried = {};
  double negligible = 0;  ///< mean squared error that constants may add to have fewer digits
  double x_scale;
  uint64_t stream;  ///< names the site in the random streams

  /// Whether a function of the pairs may be used at the site.
  bool admits(const Expression& g) const { return why_not_admissible(g, seen, carried).empty(); }
};

/// One population, best first.
struct Island {
  std::vector<Individual> population;
  int stagnant = 0;  ///< generations since it last improved the archive
};

/// All that a run of the search knows; what a checkpoint holds.
struct SearchState {
  uint64_t generation = 0;
  int64_t evaluations = 0;  ///< of candidates over all samples so far
  std::vector<Island> islands;
  std::vector<Individual> archive;          ///< Pareto front of all that was kept, by increasing cost
  std::unordered_map<uint64_t, int> tries;  ///< how often a structure was assessed
};

/// One run of the genetic program on one site: serial, reproducible from the names of its random streams.
class Search {
 public:
  Search(const SearchProblem& problem, int seed, SearchState state = {});

  /// The next generation; the first call makes the initial populations.
  void advance();

  const SearchState& state() const { return state_; }

 private:
  void advance(Island& island, uint64_t first_index);
  /// Whether the archive took in something that is better by more than rounding.
  bool update_archive(const Island& island);
  /// The archive visits every island.
  void migrate();
  std::optional<Individual> first_individual(const Island& island, uint64_t index);
  std::optional<Individual> child(const Island& island, uint64_t index);
  const Expression& tournament(const Island& island, Random& random) const;
  /// Nothing when the structure is known well enough, the error is not finite, or a constant evades the grid.
  std::optional<Individual> assess(Expression f, const Island& island);
  std::optional<Individual> assess(Program program, const Island& island, Random& random);
  /// a*f + b with the best a and b, where that has room.
  void scale(Expression& f);
  void fit_constants_of(Individual& individual, const Island& island);

  SearchProblem problem_;
  Variation variation_;
  uint64_t seed_;
  size_t island_size_;
  SearchState state_;
  FitWorkspace workspace_;
};

}  // namespace normgraft
