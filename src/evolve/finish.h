#pragma once

#include <vector>

#include "search.h"

namespace normgraft {

/// What a front is judged on: all bins.
struct JudgingSamples {
  Samples fit;
  Samples choose;  ///< those fitted on where there are none to choose by
  Samples report;
  Samples plain;  ///< to report on, all pairs alike
};

/// The figures of an expression.
FrontPoint judged(Expression expression, double cost, int seed, const JudgingSamples& judging);

/// The archive of a search as a front: constants fitted on all bins and, without a grid, written with as few
/// digits as the error allows (with_short_constants); within sqrt(D - 1), which no y of LayerNorm exceeds, or
/// what 1/s reaches where a channel tells s, by a clip where need be and the function set has one with free
/// bounds; judged in double, admissible, Pareto.
std::vector<FrontPoint> finished_front(const std::vector<Individual>& archive, const SearchProblem& problem,
                                       const JudgingSamples& judging, int seed);

}  // namespace normgraft
