#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normgraft/core/monitor.h"
#include "normgraft/cost/profile.h"
#include "normgraft/evolve/options.h"

namespace normgraft {

/// What a clip costs within the search under the profile "flops", against stacking. All costs in Fronts count
/// it so; the counts of a report (flops_profile()) leave it at 0.
inline constexpr double kSearchClipCost = 1.0;

/// One point of a front. Figures named *_r2 and error are under EvolveOptions::measure.
struct FrontPoint {
  Expression expression;
  double cost = 0;
  double error = 0;        ///< on the pictures fitted on, all bins, in double
  double r2 = 0;           ///< likewise
  double held_out_r2 = 0;  ///< on the pictures held out
  double plain_r2 = 0;     ///< likewise, all pairs alike
  int seed = 0;            ///< index of the run that found it
};

/// A closed form with the same figures.
struct BaselinePoint {
  std::string name;
  FrontPoint point;
};

/// What the search found for one site.
struct SiteFront {
  std::string site;
  Interval seen;       ///< range of x captured
  double ceiling = 0;  ///< cross-fitted, on the fit part
  double held_out_ceiling = 0;
  double plain_ceiling = 0;            ///< on the pictures held out, all pairs alike
  double effective_pairs = 0;          ///< of the fit part, under EvolveOptions::measure
  std::vector<FrontPoint> front = {};  ///< Pareto set of (error, cost) over all seeds, by increasing cost
  std::vector<std::vector<FrontPoint>> seeds = {};  ///< the front of each seed
  std::vector<BaselinePoint> baselines = {};
  int64_t evaluations = 0;  ///< of candidates over all samples, all seeds; those of fits counted one by one
};

/// The content of fronts.json.
struct Fronts {
  EvolveOptions options;
  std::string unit;  ///< of cost
  std::vector<SiteFront> sites = {};
  double seconds =
      0;  ///< wall time of the search; not written to fronts.json, which has the same bytes for the same seed
};

/// Searches all sites, all seeds, in parallel. The same options, seed included, give the same fronts on any
/// number of threads, unless `seconds` limits them. Throws Interrupted when the monitor asks to stop.
///
/// Each run leaves its state in the folder `checkpoints` every half minute and when it ends or is stopped,
/// and goes on from there: the same fronts as without interruption. States of other options or mappings are
/// not used. Empty: no states.
Fronts evolve(const Mappings& mappings, const EvolveOptions& options, Monitor& monitor,
              const Path& checkpoints = {});

Json to_json(const Fronts& fronts);
/// Throws InputError naming the field that is missing or wrong, or the newer version.
Fronts fronts_from_json(const Json& json, const std::string& file);

}  // namespace normgraft
