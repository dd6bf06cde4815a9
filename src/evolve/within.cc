#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "normgraft/core/require.h"
#include "normgraft/evolve/budget.h"
#include "pareto.h"
#include "plan_entry.h"

namespace normgraft {
namespace {

/// A function that a site may get.
struct Candidate {
  const FrontPoint* point;
  std::string origin;  ///< in words
  double cost = 0;     ///< for one picture
  double error = 0;    ///< the loss; named so for pareto_front()
};

/// What errors of a site cost.
struct Judge {
  Samples samples;
  double loss_of_error;

  Judge(const SiteMapping& site, const Mappings& mappings)
      : samples(make_samples(site, Measure::kWeight, part(mappings))) {
    const double sites = static_cast<double>(mappings.sites.size());
    loss_of_error =
        mappings.weighted ? divergence_of_error(site, part(mappings)) : 1 / (samples.variance * sites);
  }

  static Part part(const Mappings& mappings) { return mappings.choose_part ? Part::kChoose : Part::kFit; }
};

/// What no other candidate of the site beats, by rising cost and falling loss.
std::vector<Candidate> candidates_of(const SiteFront& front, const Mappings& mappings) {
  const SiteMapping& site = mappings.site(front.site);
  const Judge judge(site, mappings);
  const double elements = static_cast<double>(site.tokens * site.channels);
  std::vector<Candidate> all;
  const auto add = [&](const FrontPoint& point, std::string origin) {
    const double error = evaluate_fit(of_pairs(point.expression, site.carried), judge.samples).error;
    if (!std::isfinite(error)) return;
    all.push_back({&point, std::move(origin), point.cost * elements, error * judge.loss_of_error});
  };
  for (size_t i = 0; i < front.front.size(); ++i)
    add(front.front[i], fmt::format("point {} of {} of the front", i + 1, front.front.size()));
  for (const BaselinePoint& form : front.baselines) add(form.point, "the closed form " + form.name);
  if (all.empty()) throw InputError(fmt::format("fronts: site {} has no point to choose", front.site));
  return pareto_front(std::move(all));
}

/// The cheapest of the selections that lose at most that; they fall in loss.
const Selection& cheapest(const std::vector<Selection>& curve, double most) {
  return *std::find_if(curve.begin(), curve.end(), [&](const Selection& s) { return s.loss <= most; });
}

}  // namespace

Plan plan_within(const Fronts& fronts, const Mappings& mappings, double within) {
  require_within("select", "within", within, 0.0, 1e6);
  std::vector<std::vector<Candidate>> candidates;
  std::vector<std::vector<Option>> options;
  for (const SiteFront& front : fronts.sites) {
    candidates.push_back(candidates_of(front, mappings));
    options.emplace_back();
    for (const Candidate& c : candidates.back()) options.back().push_back({c.cost, c.error});
  }
  if (options.empty()) throw InputError("fronts: there are no sites to choose for");
  const std::vector<Selection> curve = budget_curve(options);
  const Selection& best = curve.back();
  const Selection& chosen = cheapest(curve, best.loss + within);

  const std::string unit = mappings.weighted ? "nats" : "of mean R2";
  Plan plan{.strategy = fmt::format("within {:g} {}", within, unit), .grid = fronts.options.grid()};
  plan.predicted = PredictedLoss{.within = within,
                                 .unit = unit,
                                 .loss = chosen.loss,
                                 .least_loss = best.loss,
                                 .cost = chosen.cost,
                                 .cost_of_least_loss = best.cost};
  for (size_t i = 0; i < fronts.sites.size(); ++i) {
    const SiteFront& site = fronts.sites[i];
    const Candidate& c = candidates[i][chosen.options[i]];
    const double more = c.error - candidates[i].back().error;
    plan.entries.push_back(plan_entry(
        site, *c.point,
        fmt::format("For the whole network: {}, predicted to lose {:.2g} {} more here than what loses least: "
                    "{}.",
                    c.origin, more, unit, held_out_text(*c.point, site, fronts.unit))));
  }
  return plan;
}

}  // namespace normgraft
