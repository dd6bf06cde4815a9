#pragma once

#include <optional>
#include <string>
#include <vector>

#include "normgraft/cost/profile.h"
#include "normgraft/core/monitor.h"
#include "normgraft/evolve/plan.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {

class Network;
class Yardstick;

struct ChoiceOptions {
  std::optional<double>
      budget;  ///< most cost of all sites for one picture, in the profile's unit; nothing: no limit
  int64_t pictures = 64;  ///< that grafts of a single site are measured on, at least 1
  int trials = 40;        ///< plans measured in the search about the best, 0 to 100,000
  int keep = 0;           ///< sites at which LayerNorm might stay, to show what it would buy; 0 to 100

  /// Throws InputError naming the field, its value and its range.
  void validate() const;
};

/// A plan's cost for one picture, and its divergence from the teacher in nats.
struct ChoicePoint {
  double cost = 0;
  double predicted =
      0;  ///< from exchanges of single sites, added up; of a single site: from the capture's weights
  double measured = 0;  ///< of the graft with the whole plan
};

/// A function tried at one site alone: its divergence from the capture's weights, and as measured.
struct SiteTrial {
  std::string site;
  std::vector<ChoicePoint> points;
};

/// What LayerNorm at one more site would leave of the plan's divergence.
struct KeptSite {
  std::string site;
  double measured = 0;
};

/// A plan for the whole network, and what led to it.
struct Choice {
  Plan plan;
  std::string profile, unit;
  std::optional<double> budget;
  int64_t pictures = 0;  ///< that plans were measured on
  ChoicePoint chosen, knee, min_error;
  std::vector<ChoicePoint> curve;  ///< by increasing cost: plans that are best by prediction
  double rank_correlation = 0;     ///< Spearman, of the curve's predictions and measurements; NaN: too few
  std::vector<SiteTrial> sites;    ///< grafts of a single site
  std::vector<KeptSite> kept;      ///< one site after another, each the best beside those before it
};

/// The plan that loses least within a budget, over all sites at once.
///
/// Candidates are the front's points and the fitted closed forms; the capture's weights predict what each
/// loses at its site (half its weighted squared error over the pairs of a picture: the divergence to second
/// order, see for_each_pairs; with plain pairs, up to a factor). Three of each site, the cheapest, a middle
/// one and the most accurate, are measured: first in grafts of that site alone, then exchanged in the nearest
/// plan found; what lies between follows the prediction. Each time the sum over sites is minimised exactly
/// (budget_curve), and the plan that comes out is grafted and measured, as are plans along the whole curve
/// and those of the strategies knee and min-error.
///
/// Last, a search for errors that cancel: the candidates worth their cost are exchanged in the best plan,
/// which tells how each moves the logits of every picture. Taken to add up, these give any plan's divergence
/// to second order, terms between sites included; its minimum by exchanges at one and two sites is measured,
/// corrects them, and is the next to start from where it gains. The same bytes for the same number of
/// threads.
///
/// `network` is the original model. Throws InputError when fronts, mappings and model do not belong together, or
/// nothing fits the budget (naming the least cost).
Choice choose_plan(const Fronts& fronts, const Mappings& mappings, Network network, const Profile& profile,
                   const Yardstick& yardstick, const ChoiceOptions& options, Monitor& monitor);

/// The content of choice.json.
Json to_json(const Choice& choice);

}  // namespace normgraft
