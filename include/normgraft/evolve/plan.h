#pragma once

#include <optional>
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
  Interval seen = {};  ///< range of x captured, to prove what later stages make of it; entire() when unknown
};

/// How near a plan is to the one that is predicted to lose least, and what it saves. Costs are those of a
/// picture, in the unit of the fronts.
struct Nearness {
  double within = 0;      ///< the most that the plan may lose beyond the least
  std::string unit;       ///< of losses
  bool measured = false;  ///< losses are those of grafts that are not calibrated; else predicted
  double loss = 0;
  double least_loss = 0;
  double cost = 0;
  double cost_of_least_loss = 0;
  std::string cost_unit = {};  ///< of both: "FLOPs a picture", of circuits "LUT4"; empty in older files
};

struct Plan {
  std::string strategy;  ///< in words: "within 0.01 nats", "budget", "knee", "min-error", "shape:<baseline>"
  std::vector<PlanEntry> entries = {};    ///< in the order of the network
  ConstantGrid grid = {};                 ///< where all constants lie
  std::optional<Nearness> nearness = {};  ///< of "within"
};

/// How much more than the best plan a plan may lose where nothing else is asked for, in nats.
inline constexpr double kWithin = 0.01;

/// "knee": knee() of each front. "min-error": most_accurate(). "shape:NAME": the fitted closed form NAME at
/// every site, the homogeneous baselines. Throws InputError naming the strategies that exist.
Plan select_plan(const Fronts& fronts, const std::string& strategy);

/// Index of the point with the lowest error on the pictures to choose by, the cheapest of several; at least
/// one point, by increasing cost.
size_t most_accurate(const std::vector<FrontPoint>& front);

/// Index of the point farthest below the chord between the cheapest and the most accurate one, both axes
/// normalised (Kneedle, Satopaa et al. 2011); errors are those on the pictures to choose by, and points that
/// are no more accurate there than a cheaper one are passed over. Of two that remain or fewer, or without one
/// below the chord, the most accurate. At least one point, by increasing cost.
size_t knee(const std::vector<FrontPoint>& front);

Json to_json(const Plan& plan);
/// Throws InputError naming the field that is missing or wrong, or the newer version. Version 1 knows neither
/// grid nor what was seen, and only version 3 how near it is to the best.
Plan plan_from_json(const Json& json, const std::string& file);

}  // namespace normgraft
