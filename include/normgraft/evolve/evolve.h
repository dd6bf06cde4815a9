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

/// One point of a front. Errors and R^2 are under EvolveOptions::measure but for plain_r2.
struct FrontPoint {
  Expression expression;
  double cost = 0;
  double error = 0;         ///< on the pictures fitted on, all bins, in double
  double r2 = 0;            ///< likewise
  double held_out_r2 = 0;   ///< on the pictures to report on
  double plain_r2 = 0;      ///< likewise, all pairs alike
  int seed = 0;             ///< index of the run that found it
  double choose_error = 0;  ///< on the pictures to choose by
  double choose_r2 = 0;     ///< likewise
};

/// A closed form with the same figures.
struct BaselinePoint {
  std::string name;
  FrontPoint point;
};

/// What the search found for one site.
struct SiteFront {
  std::string site;
  Interval seen;                       ///< range of x captured
  double ceiling = 0;                  ///< estimate (ceiling()) for the pictures fitted on
  double held_out_ceiling = 0;         ///< for those to report on
  double plain_ceiling = 0;            ///< likewise, all pairs alike
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
  /// Costs are those of a unit at a site; else those of an element of a token.
  bool of_units = false;
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
///
/// Functions are fitted on Part::kFit, chosen by Part::kChoose, and what is held out is Part::kReport. Where
/// mappings hold no part to choose by (Mappings::choose_part), figures to choose by are those of the pictures
/// fitted on, and a notice says so. Throws InputError naming a site where one of the halves fitted on or one
/// of the other parts has no pairs of positive weight.
Fronts evolve(const Mappings& mappings, const EvolveOptions& options, Monitor& monitor,
              const Path& checkpoints = {});

/// Whether evolution beats the closed forms at a site, those of r aside (token_form_names), among which is
/// LayerNorm's own: for every closed form that is more accurate than the cheapest point of the front, the
/// point that is most accurate on the pictures to choose by, of those that cost no more than the form, is
/// strictly more accurate than the form on the pictures held out, and so than every closed form of no higher
/// cost than it.
bool beats_closed_forms(const SiteFront& site);

Json to_json(const Fronts& fronts);
/// Throws InputError naming the field that is missing or wrong, or the newer version. Before version 3 there
/// are no figures to choose by: those of the pictures fitted on stand for them.
Fronts fronts_from_json(const Json& json, const std::string& file);

}  // namespace normgraft
