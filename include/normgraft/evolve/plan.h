#pragma once

#include <string>
#include <vector>

#include "normgraft/evolve/evolve.h"

namespace normgraft {

/// One expression for each site, chosen from the fronts, and why.
struct PlanEntry {
  std::string site;
  Expression expression;
  double cost = 0;
  double r2 = 0;
  double held_out_r2 = 0;
  std::string reason;  ///< one sentence
};

struct Plan {
  std::string strategy;                 ///< "knee", "min-error" or "shape:<baseline>"
  std::vector<PlanEntry> entries = {};  ///< in the order of the network
};

/// "knee": the point of each front farthest below the chord between its ends, both axes normalised (Kneedle,
/// Satopaa et al. 2011); a front of two points or fewer, or without a
/// point below the chord, gives its most accurate. "min-error": the most accurate.
/// "shape:NAME": the fitted closed form NAME at every site, the homogeneous baselines.
/// Throws InputError naming the strategies that exist.
Plan select_plan(const Fronts& fronts, const std::string& strategy);

/// Index of the knee ("knee" above) of a front sorted by increasing cost and decreasing error; at least one
/// point.
size_t knee(const std::vector<FrontPoint>& front);

Json to_json(const Plan& plan);
Plan plan_from_json(const Json& json, const std::string& file);

}  // namespace normgraft
