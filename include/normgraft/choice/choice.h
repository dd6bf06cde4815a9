#pragma once

#include <optional>
#include <string>
#include <vector>

#include "normgraft/core/monitor.h"
#include "normgraft/cost/profile.h"
#include "normgraft/evolve/plan.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {

class Network;
class Yardstick;

struct ChoiceOptions {
  std::optional<double> budget;  ///< most that all sites together may cost for one picture, of circuits
                                 ///< take of a chip, in the profile's unit; empty: no limit
  int64_t pictures = 64;         ///< on which exchanges at single sites are measured, at least 1
  int trials = 40;               ///< plans measured in the last search, for errors that cancel, 0 to 100,000
  int keep = 0;                  ///< sites to try LayerNorm at again, to show what it would buy; 0 to 100

  /// Throws InputError naming the field, its value and its range.
  void validate() const;
};

/// What a graft costs for one picture, of circuits the area of all its units, and its divergence from the
/// teacher, in nats.
struct ChoicePoint {
  double cost = 0;
  double predicted = 0;  ///< of a plan: its exchanges added up; of a site alone: by the capture's weights
  double measured = 0;
};

/// The functions that were tried at one site, in grafts of this site alone.
struct SiteTrial {
  std::string site;
  std::vector<ChoicePoint> points;
};

/// The divergence that would be left with LayerNorm back at this site too.
struct KeptSite {
  std::string site;
  double measured = 0;
};

/// A plan for the whole network, and what led to it.
struct Choice {
  Plan plan;
  std::string profile, unit;
  bool of_units = false;  ///< costs are the area of units; else those of a picture
  std::optional<double> budget;
  int64_t pictures = 0;  ///< that plans were measured on
  ChoicePoint chosen;
  std::optional<ChoicePoint> knee, min_error;  ///< nothing where one of their functions has no circuit
  std::vector<ChoicePoint> curve;              ///< by increasing cost: plans that are best by prediction
  double rank_correlation = 0;   ///< Spearman, of the curve's predictions and measurements; NaN: too few
  std::vector<SiteTrial> sites;  ///< grafts of a single site
  std::vector<KeptSite> kept;    ///< in turn: each is the site where LayerNorm helps most beside those before
};

/// The plan that loses least within a budget, over all sites at once.
///
/// Candidates of a site are its front and its fitted closed forms; under a profile of circuits those that can
/// be made one. The capture's weights predict what each
/// loses: half its weighted squared error over the pairs of a picture, which is the divergence to second
/// order (for_each_pairs); with plain pairs it is that up to a factor.
///
/// First, three candidates of each site are measured in grafts of that site alone: the cheapest, a middle one
/// and the most accurate. The losses of the others are interpolated along the prediction. The plan of least
/// summed loss (budget_curve) is grafted and measured.
///
/// Then these three are exchanged in the nearest plan found, and measured there: near a plan, losses add up
/// better. Plans along the whole curve are measured, and those of the strategies knee and min-error.
///
/// Last, errors of different sites may cancel, which sums of losses do not see. So candidates are exchanged
/// in the best plan, and how each moves the logits of every picture is kept. These moves, added up, foretell
/// the divergence of any plan to second order. The plan that is best by them is measured, what it shows
/// corrects them, and so on, while it gains.
///
/// The same bytes for the same number of threads.
///
/// `network` is the original model. Throws InputError when fronts, mappings and model do not belong together,
/// a site has no candidate, or nothing fits the budget (naming the least cost).
Choice choose_plan(const Fronts& fronts, const Mappings& mappings, Network network, const Profile& profile,
                   const Yardstick& yardstick, const ChoiceOptions& options, Monitor& monitor);

/// The content of choice.json.
Json to_json(const Choice& choice);

}  // namespace normgraft
