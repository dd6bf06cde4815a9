#include "normgraft/evolve/plan_curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "normgraft/core/error.h"
#include "pareto.h"
#include "plan_entry.h"

namespace normgraft {

PlanCurve::PlanCurve(const Fronts& fronts, const Mappings& mappings)
    : fronts_(fronts), unit_(mappings.weighted ? "nats" : "of mean R2") {
  if (fronts.sites.empty()) throw InputError("fronts: there are no sites to choose for");
  std::vector<std::vector<Option>> options;
  for (const SiteFront& front : fronts.sites) {
    add(front, mappings);
    options.emplace_back();
    for (const Candidate& c : candidates_.back()) options.back().push_back({c.cost, c.error});
  }
  curve_ = budget_curve(options);
}

void PlanCurve::add(const SiteFront& front, const Mappings& mappings) {
  const SiteMapping& site = mappings.site(front.site);
  const Part part = mappings.choose_part ? Part::kChoose : Part::kFit;
  const Samples samples = make_samples(site, Measure::kWeight, part);
  const double loss_of_error = mappings.weighted
                                   ? divergence_of_error(site, part)
                                   : 1 / (samples.variance * static_cast<double>(fronts_.sites.size()));
  const double elements = fronts_.of_units ? 1 : static_cast<double>(site.tokens * site.channels);
  std::vector<Candidate> all;
  const auto consider = [&](const FrontPoint& point, std::string origin) {
    const double error = evaluate_fit(of_pairs(point.expression, site.carried), samples).error;
    if (!std::isfinite(error)) return;
    all.push_back({&point, std::move(origin), point.cost * elements, error * loss_of_error});
  };
  for (size_t i = 0; i < front.front.size(); ++i)
    consider(front.front[i], fmt::format("point {} of {} of the front", i + 1, front.front.size()));
  for (const BaselinePoint& form : front.baselines) consider(form.point, "the closed form " + form.name);
  if (all.empty()) throw InputError(fmt::format("fronts: site {} has no point to choose", front.site));
  candidates_.push_back(pareto_front(std::move(all)));
}

Plan PlanCurve::within(double more) const {
  const Selection& best = curve_.back();
  const Selection& chosen = *std::find_if(curve_.begin(), curve_.end(),
                                          [&](const Selection& s) { return s.loss <= best.loss + more; });
  Plan plan{.strategy = fmt::format("within {:g} {}", more, unit_), .grid = fronts_.options.grid()};
  plan.nearness = Nearness{.within = more,
                           .unit = unit_,
                           .loss = chosen.loss,
                           .least_loss = best.loss,
                           .cost = chosen.cost,
                           .cost_of_least_loss = best.cost,
                           .cost_unit = fronts_.of_units ? fronts_.unit : fronts_.unit + " a picture"};
  for (size_t i = 0; i < fronts_.sites.size(); ++i) {
    const SiteFront& site = fronts_.sites[i];
    const Candidate& c = candidates_[i][chosen.options[i]];
    const double lost = c.error - candidates_[i].back().error;
    plan.entries.push_back(plan_entry(
        site, *c.point,
        fmt::format("For the whole network: {}, predicted to lose {:.2g} {} more here than what loses least: "
                    "{}.",
                    c.origin, lost, unit_, held_out_text(*c.point, site, fronts_.unit))));
  }
  return plan;
}

}  // namespace normgraft
