#include "normgraft/choice/choice.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "candidates.h"
#include "normgraft/core/require.h"
#include "normgraft/graft/graft.h"
#include "normgraft/graft/yardstick.h"
#include "superposition.h"

namespace normgraft {
namespace {

constexpr size_t kCurvePoints = 12;  ///< plans along the curve that are measured

class Chooser {
 public:
  Chooser(const Fronts& fronts, const Mappings& mappings, Network network, const Profile& profile,
          const Yardstick& yardstick, const ChoiceOptions& options, Monitor& monitor)
      : fronts_(fronts),
        profile_(profile),
        yardstick_(yardstick),
        options_(options),
        monitor_(monitor),
        graft_(std::move(network)),
        sites_(candidates_of(fronts, mappings, profile)),
        budget_(options.budget.value_or(std::numeric_limits<double>::infinity())) {
    if (sites_.size() != graft_.network().sites().size()) {
      throw InputError(fmt::format("choice: the fronts hold {} sites and the model {}, expected the same",
                                   sites_.size(), graft_.network().sites().size()));
    }
  }

  Choice run() {
    Choice choice;
    choice.profile = profile_.name;
    choice.unit = profile_.unit;
    choice.of_units = profile_.of_circuits();
    choice.budget = options_.budget;
    choice.pictures = yardstick_.pictures();
    for (const SiteCandidates& site : sites_) {
      costs_.emplace_back();
      for (const Candidate& c : site.candidates) costs_.back().push_back(c.cost);
    }
    choice.sites = measure_sites();
    refuse_too_small_a_budget();

    consider(selected(budget_));
    const auto knee = indices_of(select_plan(fronts_, "knee"));
    const auto min_error = indices_of(select_plan(fronts_, "min-error"));
    if (knee) choice.knee = consider(*knee);
    if (min_error) choice.min_error = consider(*min_error);
    look_around(nearest_);
    measure_curve(choice);
    improve();
    choice.chosen = point_of(best_, best_kl_);
    choice.plan = plan_of(best_);
    choice.kept = keep(best_);
    return choice;
  }

 private:
  /// Measures grafts of one site alone, and expects a plan to lose the sum of what they lose.
  std::vector<SiteTrial> measure_sites() {
    std::vector<SiteTrial> trials;
    const int64_t total = grafts_to_measure();
    int64_t done = 0;
    for (size_t s = 0; s < sites_.size(); ++s) {
      SiteCandidates& site = sites_[s];
      SiteTrial trial{site.site, {}};
      const Indices indices = to_measure(site);
      std::vector<double> found;
      for (const size_t i : indices) {
        monitor_.check();
        const Candidate& c = site.candidates[i];
        graft_.set_function(site.site, c.point.expression);
        found.push_back(yardstick_.measure(graft_.network(), options_.pictures).kl);
        trial.points.push_back({c.cost, c.predicted, found.back()});
        monitor_.progress("select, single sites", ++done, total, "grafts");
      }
      graft_.network().set_normalizer(s, {});
      expect(site, indices, found);
      trials.push_back(std::move(trial));
    }
    return trials;
  }

  /// Measures exchanges at one site of the plan `around`, and expects a plan near it to lose what that one
  /// loses and the sum of what its exchanges change.
  void look_around(Indices around) {
    put(around);
    base_kl_ = yardstick_.measure(graft_.network(), options_.pictures).kl;
    base_loss_ = 0;
    const int64_t total = grafts_to_measure();
    int64_t done = 0;
    for (size_t s = 0; s < sites_.size(); ++s) {
      SiteCandidates& site = sites_[s];
      Indices indices = {around[s]};
      std::vector<double> differences = {0};
      for (const size_t i : to_measure(site)) {
        ++done;
        if (i == around[s]) continue;
        monitor_.check();
        graft_.set_function(site.site, site.candidates[i].point.expression);
        indices.push_back(i);
        differences.push_back(yardstick_.measure(graft_.network(), options_.pictures).kl - base_kl_);
        monitor_.progress("select, exchanges", done, total, "plans");
      }
      graft_.set_function(site.site, site.candidates[around[s]].point.expression);
      // The losses that budget_curve() adds up are at least 0. So the best option of a site gets 0, and
      // base_loss_ is what the options of `base` have above that.
      const double least = *std::min_element(differences.begin(), differences.end());
      for (double& difference : differences) difference -= least;
      base_loss_ -= least;
      expect(site, indices, differences);
    }
  }

  int64_t grafts_to_measure() const {
    size_t total = 0;
    for (const SiteCandidates& site : sites_) total += to_measure(site).size();
    return static_cast<int64_t>(total);
  }

  void refuse_too_small_a_budget() const {
    const double least = budget_curve(options_of_sites()).front().cost;
    if (least > budget_) {
      throw InputError(fmt::format("choice: no plan fits a budget of {:g} {}, the cheapest costs {:g}",
                                   budget_, profile_.unit, least));
    }
  }

  /// The plan that is expected to lose least.
  Indices selected(double budget) const {
    const auto curve = budget_curve(options_of_sites());
    return curve[within_budget(curve, budget)].options;
  }

  /// Measures a plan. Remembers it if it is the best within the budget, or the nearest to the teacher of all.
  ChoicePoint consider(const Indices& plan) {
    put(plan);
    return judge(plan, yardstick_.measure(graft_.network()).kl);
  }

  ChoicePoint judge(const Indices& plan, double kl) {
    if (kl < best_kl_ && cost_of(plan) <= budget_) {
      best_ = plan;
      best_kl_ = kl;
    }
    if (kl < nearest_kl_) {
      nearest_ = plan;
      nearest_kl_ = kl;
    }
    return point_of(plan, kl);
  }

  /// Measures plans along the budget-loss curve.
  void measure_curve(Choice& choice) {
    const std::vector<Selection> curve = budget_curve(options_of_sites());
    std::vector<double> predicted, found;
    const Indices chosen = along(curve);
    for (const size_t i : chosen) {
      choice.curve.push_back(consider(curve[i].options));
      predicted.push_back(choice.curve.back().predicted);
      found.push_back(choice.curve.back().measured);
      monitor_.progress("select, budgets", static_cast<int64_t>(found.size()),
                        static_cast<int64_t>(chosen.size()), "plans");
    }
    choice.rank_correlation = rank_correlation(predicted, found);
    const auto expect_of = [&](std::optional<ChoicePoint>& point, const char* strategy) {
      if (point) point->predicted = point_of(*indices_of(select_plan(fronts_, strategy)), 0).predicted;
    };
    expect_of(choice.knee, "knee");
    expect_of(choice.min_error, "min-error");
  }

  std::vector<std::vector<Option>> options_of_sites() const {
    std::vector<std::vector<Option>> options;
    for (const SiteCandidates& site : sites_) {
      options.emplace_back();
      for (const Candidate& c : site.candidates) options.back().push_back({c.cost, c.loss});
    }
    return options;
  }

  /// Which selections of a curve to measure: some at equal steps of the loss's logarithm, and the last one
  /// within the budget.
  Indices along(const std::vector<Selection>& curve) const {
    Indices chosen = {within_budget(curve, budget_)};
    const auto height = [&](const Selection& selection) { return std::log(selection.loss + base_kl_); };
    const double high = height(curve.front()), low = height(curve.back());
    for (size_t k = 0; k + 1 < kCurvePoints; ++k) {
      const double wanted =
          high + (low - high) * static_cast<double>(k) / static_cast<double>(kCurvePoints - 2);
      const auto at = std::find_if(curve.begin(), curve.end(),
                                   [&](const Selection& s) { return height(s) <= wanted + 1e-12; });
      chosen.push_back(static_cast<size_t>(std::min(at, curve.end() - 1) - curve.begin()));
    }
    std::sort(chosen.begin(), chosen.end());
    chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
    return chosen;
  }

  /// Nothing where a function is no candidate.
  std::optional<Indices> indices_of(const Plan& plan) const {
    Indices indices;
    for (size_t s = 0; s < sites_.size(); ++s) {
      const auto found = sites_[s].find(plan.entries[s].expression);
      if (!found) return std::nullopt;
      indices.push_back(*found);
    }
    return indices;
  }

  double cost_of(const Indices& plan) const {
    double cost = 0;
    for (size_t s = 0; s < sites_.size(); ++s) cost += sites_[s].candidates[plan[s]].cost;
    return cost;
  }

  double loss_of(const Indices& plan) const {
    double loss = 0;
    for (size_t s = 0; s < sites_.size(); ++s) loss += sites_[s].candidates[plan[s]].loss;
    return loss;
  }

  void put(const Indices& plan) {
    monitor_.check();
    for (size_t s = 0; s < sites_.size(); ++s) {
      graft_.set_function(sites_[s].site, sites_[s].candidates[plan[s]].point.expression);
    }
  }

  ChoicePoint point_of(const Indices& plan, double measured) const {
    return {cost_of(plan), std::max(base_kl_ + loss_of(plan) - base_loss_, 0.0), measured};
  }

  /// Looks for plans in which errors of different sites cancel. Exchanges in the best plan tell how each
  /// function moves the logits. The plan for which the sum of the moves promises least is measured, and so
  /// on; then all of it again from the best plan found, as long as that gains.
  void improve() {
    std::set<Indices> tried;
    Indices base;
    for (int trial = 0; trial < options_.trials && best_ != base;) {
      base = best_;
      Superposition near = superposition(base);
      // `reach`: at how many sites a plan may differ from the best for the sum to be trusted. It doubles
      // where a plan was the best yet, and halves where not.
      for (size_t reach = sites_.size(); reach > 0 && trial < options_.trials;) {
        const Indices plan = descend(near.loss(), costs_, best_, budget_, reach);
        const bool is_new = plan != best_ && tried.insert(plan).second;
        if (is_new) {
          measure(plan, near);
          monitor_.progress("select, search", ++trial, options_.trials, "plans",
                            fmt::format("divergence {:.4f}", best_kl_));
        }
        reach = is_new && plan == best_ ? std::min(2 * reach, sites_.size()) : reach / 2;
      }
    }
  }

  /// Measures a plan, tells `near` its logits, and moves there if it is the best.
  void measure(const Indices& plan, Superposition& near) {
    put(plan);
    const Tensor logits = yardstick_.logits(graft_.network());
    near.learn(plan, logits);
    judge(plan, divergence(yardstick_.teacher_logits(), logits).mean().item<double>());
    if (best_ == plan) near.move(plan, logits);
  }

  /// The logits of `base`, and of each exchange at one of its sites that is worth its cost, on all pictures.
  Superposition superposition(const Indices& base) {
    Indices options;
    int64_t total = 0, done = 0;
    for (const SiteCandidates& site : sites_) {
      options.push_back(site.candidates.size());
      total += static_cast<int64_t>(worth_their_cost(site).size());
    }
    put(base);
    Superposition near(yardstick_.teacher_logits(), yardstick_.logits(graft_.network()), base, options);
    for (size_t s = 0; s < sites_.size(); ++s) {
      const SiteCandidates& site = sites_[s];
      for (const size_t i : worth_their_cost(site)) {
        ++done;
        if (i == base[s]) continue;
        monitor_.check();
        graft_.set_function(site.site, site.candidates[i].point.expression);
        near.add(s, i, yardstick_.logits(graft_.network()));
        monitor_.progress("select, exchanges", done, total, "plans");
      }
      graft_.set_function(site.site, site.candidates[base[s]].point.expression);
    }
    return near;
  }

  /// Gives LayerNorm back to one site after another: each time to the one where that helps most.
  std::vector<KeptSite> keep(const Indices& plan) {
    std::vector<KeptSite> kept;
    put(plan);
    std::vector<bool> is_kept(sites_.size(), false);
    for (int k = 0; k < std::min<int>(options_.keep, static_cast<int>(sites_.size())); ++k) {
      KeptSite best{"", std::numeric_limits<double>::infinity()};
      size_t where = 0;
      for (size_t s = 0; s < sites_.size(); ++s) {
        if (is_kept[s]) continue;
        monitor_.check();
        graft_.network().set_normalizer(s, {});
        const double kl = yardstick_.measure(graft_.network(), options_.pictures).kl;
        graft_.set_function(sites_[s].site, sites_[s].candidates[plan[s]].point.expression);
        if (kl < best.measured) {
          best = {sites_[s].site, kl};
          where = s;
        }
        monitor_.progress(fmt::format("select, keeping {} of {}", k + 1, options_.keep),
                          static_cast<int64_t>(s + 1), static_cast<int64_t>(sites_.size()), "sites");
      }
      is_kept[where] = true;
      graft_.network().set_normalizer(where, {});
      best.measured = yardstick_.measure(graft_.network()).kl;
      kept.push_back(best);
    }
    return kept;
  }

  Plan plan_of(const Indices& chosen) const {
    Plan plan{.strategy =
                  options_.budget ? fmt::format("budget {:g} {}", *options_.budget, profile_.unit) : "budget",
              .entries = {},
              .grid = fronts_.options.grid()};
    for (size_t s = 0; s < sites_.size(); ++s) {
      const Candidate& c = sites_[s].candidates[chosen[s]];
      const std::string what = c.origin == "front" ? "of the front" : "the closed form " + c.origin;
      plan.entries.push_back({.site = sites_[s].site,
                              .expression = c.point.expression,
                              .cost = c.point.cost,
                              .r2 = c.point.r2,
                              .held_out_r2 = c.point.held_out_r2,
                              .reason = fmt::format("For the whole network: {}, {:g} {}{} here, predicted "
                                                    "to cost {:.4f} nats by itself.",
                                                    what, c.cost, profile_.unit,
                                                    profile_.of_circuits() ? "" : " a picture", c.predicted),
                              .seen = fronts_.sites[s].seen});
    }
    return plan;
  }

  const Fronts& fronts_;
  const Profile& profile_;
  const Yardstick& yardstick_;
  const ChoiceOptions& options_;
  Monitor& monitor_;
  Graft graft_;
  std::vector<SiteCandidates> sites_;
  std::vector<std::vector<double>> costs_;  // by site and candidate
  double budget_;
  Indices best_, nearest_;  // the plans of least divergence: within the budget, and of all measured
  double best_kl_ = std::numeric_limits<double>::infinity();
  double nearest_kl_ = std::numeric_limits<double>::infinity();
  // A plan whose candidates' losses add up to base_loss_ is expected to have the divergence base_kl_.
  double base_kl_ = 0;
  double base_loss_ = 0;
};

}  // namespace

void ChoiceOptions::validate() const {
  if (budget) require(std::isfinite(*budget) && *budget > 0, "choice", "budget", *budget, "a number above 0");
  require(pictures >= 1, "choice", "pictures", pictures, "at least 1");
  require(trials >= 0 && trials <= 100000, "choice", "trials", trials, "0 to 100,000");
  require(keep >= 0 && keep <= 100, "choice", "keep", keep, "0 to 100");
}

Choice choose_plan(const Fronts& fronts, const Mappings& mappings, Network network, const Profile& profile,
                   const Yardstick& yardstick, const ChoiceOptions& options, Monitor& monitor) {
  options.validate();
  const at::NoGradGuard no_grad;
  return Chooser(fronts, mappings, std::move(network), profile, yardstick, options, monitor).run();
}

}  // namespace normgraft
