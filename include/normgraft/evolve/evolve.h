#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normgraft/core/monitor.h"
#include "normgraft/cost/profile.h"
#include "normgraft/expr/expression.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {

/// Which primitives the search draws from, and how often (weights relative to their sum).
struct FunctionSet {
  std::string name;
  std::vector<std::pair<Op, double>> weights;  ///< operators only; x and constants are leaves
  bool free_clip_bounds = true;                ///< false: every clip is [-5, 5]
  bool linear_scaling = true;                  ///< half of the children become a*f + b with the best a, b
};

/// "paper": + .28, * .26, neg .08, tanh .20, sigmoid .10, clip to [-5, 5] .08 (arXiv 2605.14047).
/// "hardware": adds -, min, max, abs, square, div, erf, rsqrt and free clip bounds; the default.
/// Else a list of primitives, each with its weight unless that is 1: "+,*,clip=2"; clip bounds are free, and
/// linear scaling is on when + and * are there. Throws InputError for anything else.
FunctionSet function_set(const std::string& name);

/// What a clip costs within the search under the profile "flops", against stacking. All costs in Fronts count
/// it so; the counts of a report (flops_profile()) leave it at 0.
inline constexpr double kSearchClipCost = 1.0;

/// Options of the search. Defaults are the published ones where there is one (arXiv 2605.14047).
struct EvolveOptions {
  std::string function_set = "hardware";  ///< what function_set() understands
  std::string profile = "flops";          ///< cost: a name or a file (load_profile)
  int population = 500;                   ///< individuals of all islands, 8 to 100,000
  int generations = 50;                   ///< 1 to 100,000
  int islands = 1;                        ///< populations that share only the archive, 1 to population / 8
  int migration = 10;  ///< generations between visits of the archive to the islands, 1 to 100,000
  int patience = 0;    ///< generations without progress before an island starts anew; 0: never
  int tournament = 7;  ///< size, 1 to population
  int max_nodes =
      20;  ///< 1 to 200; a clip that holds a finished function within LayerNorm's range may be one more
  int initial_depth = 4;         ///< of the ramped trees, 1 to 10
  int constant_iterations = 10;  ///< Levenberg-Marquardt steps, all for promising individuals only, 0 to 1000
  int digits = 0;                ///< significant decimal digits of constants, 1 to 8; 0: any
  int fraction_bits = -1;        ///< constants are multiples of 2^-fraction_bits, 0 to 30; -1: any
  double tail_penalty = 0.0;     ///< weight of mean f(+-2 max|x|)^2 added to the error; published 0.005
  bool random_search = false;  ///< every generation anew from random trees: the baseline of the search itself
  bool seed_closed_forms = false;        ///< the fitted closed forms are in the first population
  std::vector<std::string> starts = {};  ///< expressions in the first population
  int seeds = 5;                         ///< independent runs for each site, 1 to 1000
  uint64_t seed = 1;                     ///< names all random streams
  int threads = 0;                       ///< 0: all cores; the result does not depend on it
  double seconds = 0;  ///< wall time after which all runs end early, which is not reproducible; 0: no limit
  size_t search_bins = 128;             ///< bins the search itself uses; fronts are judged on all
  Measure measure = Measure::kWeight;   ///< what the error counts
  std::vector<std::string> sites = {};  ///< empty: all

  /// Throws InputError naming the field, its value and its range.
  void validate() const;
};

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
