#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "normgraft/evolve/evolve.h"
#include "normgraft/mapping/least_squares.h"
#include "pareto.h"
#include "variation.h"

namespace normgraft {

/// Cost by Op, a Profile without the look-up by name.
class CostTable {
 public:
  explicit CostTable(const Profile& profile);
  double operator()(const Expression& f) const;

 private:
  std::vector<double> cost_;
};

/// What every seed of one site searches on.
struct SearchProblem {
  const EvolveOptions& options;
  const FunctionSet& functions;
  const CostTable& cost;
  const Samples& samples;  ///< with the tail penalty's samples
  Interval seen;
  double x_scale;
  uint64_t stream;  ///< names the site in the random streams
};

/// The constants of f fitted to samples; fixed clip bounds stay. Returns the error reached, never a worse
/// one.
double fit(Expression& f, const Samples& samples, int iterations, bool free_clip_bounds,
           FitWorkspace& workspace);

/// One run of the genetic program on one site: serial, reproducible from the names of its random streams.
class Search {
 public:
  Search(const SearchProblem& problem, int seed);

  /// The next generation; the first call makes the initial population.
  void advance();

  /// The Pareto front of everything assessed so far, by increasing cost.
  const std::vector<Individual>& archive() const { return archive_; }
  /// Candidates assessed so far.
  int64_t evaluations() const { return evaluations_; }

 private:
  std::optional<Individual> first_individual(uint64_t index);
  std::optional<Individual> child(uint64_t index);
  const Expression& tournament(Random& random) const;
  /// Nothing when the structure is known well enough, the error is not finite or no proof of its tails
  /// exists.
  std::optional<Individual> assess(Program program, Random& random);
  /// a*f + b with the best a and b, where that has room.
  void scale(Expression& f);
  void fit_constants_of(Individual& individual);
  /// Whether few of the population dominate it already.
  bool promising(const Individual& individual) const;

  SearchProblem problem_;
  Variation variation_;
  uint64_t seed_;
  uint64_t generation_ = 0;
  int64_t evaluations_ = 0;
  std::vector<Individual> population_;  ///< best first
  std::vector<Individual> archive_;
  std::unordered_map<uint64_t, int> tries_;  ///< how often a structure was assessed
  FitWorkspace workspace_;
};

}  // namespace normgraft
