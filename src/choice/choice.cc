#include "normgraft/choice/choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "candidates.h"
#include "normgraft/core/random.h"

namespace normgraft {
namespace {

constexpr size_t kCurvePoints = 12;  ///< plans along the curve that are measured

using Indices = std::vector<size_t>;  ///< of the chosen candidate of each site

class Chooser {
 public:
  Chooser(const Fronts& fronts, const Mappings& mappings, Vit vit, const Profile& profile, const Yardstick& yardstick,
          const ChoiceOptions& options, Monitor& monitor)
      : fronts_(fronts),
        mappings_(mappings),
        profile_(profile),
        yardstick_(yardstick),
        options_(options),
        monitor_(monitor),
        graft_(std::move(vit)),
        sites_(candidates_of(fronts, mappings, profile)),
        budget_(options.budget.value_or(std::numeric_limits<double>::infinity())) {
    if (sites_.size() != graft_.vit().sites().size()) {
      throw InputError(fmt::format("choice: the fronts hold {} sites and the model {}, expected the same", sites_.size(),
                                   graft_.vit().sites().size()));
    }
  }

  Choice run() {
    Choice choice;
    choice.profile = profile_.name;
    choice.unit = profile_.unit;
    choice.budget = options_.budget;
    choice.pictures = yardstick_.pictures();
    choice.sites = measure_sites();

    const std::vector<Selection> curve = budget_curve(options_of_sites());
    if (curve.front().cost > budget_) {
      throw InputError(fmt::format("choice: no plan fits a budget of {:g} {}, the cheapest costs {:g}", budget_,
                                   profile_.unit, curve.front().cost));
    }
    Indices best;
    double best_kl = std::numeric_limits<double>::infinity();
    const auto consider = [&](const Indices& plan) {
      const ChoicePoint point = measured(plan);
      if (point.cost <= budget_ && point.measured < best_kl) {
        best = plan;
        best_kl = point.measured;
      }
      return point;
    };
    std::vector<double> predicted, found;
    for (const size_t i : along(curve)) {
      choice.curve.push_back(consider(curve[i].options));
      predicted.push_back(choice.curve.back().predicted);
      found.push_back(choice.curve.back().measured);
      monitor_.progress("select, budgets", static_cast<int64_t>(found.size()), static_cast<int64_t>(kCurvePoints), "plans");
    }
    choice.rank_correlation = rank_correlation(predicted, found);
    choice.knee = consider(indices_of(select_plan(fronts_, "knee")));
    choice.min_error = consider(indices_of(select_plan(fronts_, "min-error")));
    improve(best, best_kl);
    choice.chosen = measured(best);
    choice.plan = plan_of(best);
    choice.kept = keep(best);
    return choice;
  }

 private:
  /// Grafts of one site alone; corrects the predictions.
  std::vector<SiteTrial> measure_sites() {
    std::vector<SiteTrial> trials;
    graft_ = Graft(std::move(graft_.vit()));
    int64_t done = 0, total = 0;
    for (const SiteCandidates& site : sites_) total += static_cast<int64_t>(to_measure(site).size());
    for (size_t s = 0; s < sites_.size(); ++s) {
      SiteCandidates& site = sites_[s];
      SiteTrial trial{site.site, {}};
      const Indices indices = to_measure(site);
      std::vector<double> found;
      for (const size_t i : indices) {
        monitor_.check();
        const Candidate& c = site.candidates[i];
        graft_.set_function(site.site, c.point.expression);
        found.push_back(yardstick_.measure(graft_.vit(), options_.pictures).kl);
        trial.points.push_back({c.cost, c.predicted, found.back()});
        monitor_.progress("select, single sites", ++done, total, "grafts");
      }
      graft_.vit().set_normalizer(s, {});
      correct(site, indices, found);
      trials.push_back(std::move(trial));
    }
    return trials;
  }

  std::vector<std::vector<Option>> options_of_sites() const {
    std::vector<std::vector<Option>> options;
    for (const SiteCandidates& site : sites_) {
      options.emplace_back();
      for (const Candidate& c : site.candidates) options.back().push_back({c.cost, c.loss});
    }
    return options;
  }

  /// Selections to measure: at equal steps of the logarithm of the predicted loss, and the last within the budget.
  Indices along(const std::vector<Selection>& curve) const {
    Indices chosen = {within_budget(curve, budget_)};
    const double high = std::log(curve.front().loss), low = std::log(curve.back().loss);
    for (size_t k = 0; k + 1 < kCurvePoints; ++k) {
      const double wanted = high + (low - high) * static_cast<double>(k) / static_cast<double>(kCurvePoints - 2);
      const auto at = std::find_if(curve.begin(), curve.end(), [&](const Selection& s) { return std::log(s.loss) <= wanted + 1e-12; });
      chosen.push_back(static_cast<size_t>(std::min(at, curve.end() - 1) - curve.begin()));
    }
    std::sort(chosen.begin(), chosen.end());
    chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
    return chosen;
  }

  Indices indices_of(const Plan& plan) {
    Indices indices;
    for (size_t s = 0; s < sites_.size(); ++s) {
      const PlanEntry& entry = plan.entries[s];
      const FrontPoint point{.expression = entry.expression, .cost = entry.cost, .r2 = entry.r2, .held_out_r2 = entry.held_out_r2};
      indices.push_back(sites_[s].index_of(point, mappings_.site(entry.site), profile_));
    }
    return indices;
  }

  double cost_of(const Indices& plan) const {
    double cost = 0;
    for (size_t s = 0; s < sites_.size(); ++s) cost += sites_[s].candidates[plan[s]].cost;
    return cost;
  }

  double measure(const Indices& plan) {
    monitor_.check();
    for (size_t s = 0; s < sites_.size(); ++s) {
      graft_.set_function(sites_[s].site, sites_[s].candidates[plan[s]].point.expression);
    }
    return yardstick_.measure(graft_.vit()).kl;
  }

  ChoicePoint measured(const Indices& plan) {
    double predicted = 0;
    for (size_t s = 0; s < sites_.size(); ++s) predicted += sites_[s].candidates[plan[s]].loss;
    return {cost_of(plan), predicted, measure(plan)};
  }

  /// Exchanges the function of one site, and pays for it at another where the budget asks for it; keeps what measures lower.
  void improve(Indices& best, double& best_kl) {
    Random random({options_.seed, 0xc401ce});
    for (int trial = 0; trial < options_.trials; ++trial) {
      Indices plan = best;
      const size_t site = random.below(sites_.size());
      plan[site] = random.below(sites_[site].candidates.size());
      const double cost = cost_of(plan);
      if (cost > budget_) pay(plan, site, cost - budget_);
      if (plan != best && cost_of(plan) <= budget_) {
        const double kl = measure(plan);
        if (kl < best_kl) {
          best = plan;
          best_kl = kl;
        }
      }
      monitor_.progress("select, search", trial + 1, options_.trials, "plans", fmt::format("divergence {:.4f}", best_kl));
    }
  }

  /// Saves at least `excess` at one site other than `site`, where it is predicted to lose least.
  void pay(Indices& plan, size_t site, double excess) const {
    double least = std::numeric_limits<double>::infinity();
    size_t where = site, option = plan[site];
    for (size_t s = 0; s < sites_.size(); ++s) {
      if (s == site) continue;
      const auto& candidates = sites_[s].candidates;
      for (size_t i = 0; i < candidates.size(); ++i) {
        const double lost = candidates[i].loss - candidates[plan[s]].loss;
        if (candidates[plan[s]].cost - candidates[i].cost >= excess && lost < least) {
          least = lost;
          where = s;
          option = i;
        }
      }
    }
    if (where != site) plan[where] = option;
  }

  /// One site after another, the one whose LayerNorm helps most.
  std::vector<KeptSite> keep(const Indices& plan) {
    std::vector<KeptSite> kept;
    measure(plan);
    std::vector<bool> is_kept(sites_.size(), false);
    for (int k = 0; k < std::min<int>(options_.keep, static_cast<int>(sites_.size())); ++k) {
      KeptSite best{"", std::numeric_limits<double>::infinity()};
      size_t where = 0;
      for (size_t s = 0; s < sites_.size(); ++s) {
        if (is_kept[s]) continue;
        monitor_.check();
        graft_.vit().set_normalizer(s, {});
        const double kl = yardstick_.measure(graft_.vit(), options_.pictures).kl;
        graft_.set_function(sites_[s].site, sites_[s].candidates[plan[s]].point.expression);
        if (kl < best.measured) {
          best = {sites_[s].site, kl};
          where = s;
        }
        monitor_.progress(fmt::format("select, keeping {} of {}", k + 1, options_.keep), static_cast<int64_t>(s + 1),
                          static_cast<int64_t>(sites_.size()), "sites");
      }
      is_kept[where] = true;
      graft_.vit().set_normalizer(where, {});
      best.measured = yardstick_.measure(graft_.vit()).kl;
      kept.push_back(best);
    }
    return kept;
  }

  Plan plan_of(const Indices& chosen) const {
    Plan plan{.strategy = options_.budget ? fmt::format("budget {:g} {}", *options_.budget, profile_.unit) : "budget",
              .entries = {}};
    for (size_t s = 0; s < sites_.size(); ++s) {
      const Candidate& c = sites_[s].candidates[chosen[s]];
      const std::string what = c.origin == "front" ? "of the front" : "the closed form " + c.origin;
      plan.entries.push_back({.site = sites_[s].site,
                              .expression = c.point.expression,
                              .cost = c.point.cost,
                              .r2 = c.point.r2,
                              .held_out_r2 = c.point.held_out_r2,
                              .reason = fmt::format("For the whole network: {}, {:g} {} a picture here, of which this site "
                                                    "alone is expected to cost {:.4f} nats.",
                                                    what, c.cost, profile_.unit, c.loss)});
    }
    return plan;
  }

  const Fronts& fronts_;
  const Mappings& mappings_;
  const Profile& profile_;
  const Yardstick& yardstick_;
  const ChoiceOptions& options_;
  Monitor& monitor_;
  Graft graft_;
  std::vector<SiteCandidates> sites_;
  double budget_;
};

void require(bool holds, const char* field, double value, const char* range) {
  if (!holds) throw InputError(fmt::format("choice: {} is {}, expected {}", field, value, range));
}

}  // namespace

void ChoiceOptions::validate() const {
  if (budget) require(std::isfinite(*budget) && *budget > 0, "budget", *budget, "a number above 0");
  require(pictures >= 1, "pictures", static_cast<double>(pictures), "at least 1");
  require(trials >= 0 && trials <= 100000, "trials", trials, "0 to 100,000");
  require(keep >= 0 && keep <= 100, "keep", keep, "0 to 100");
}

Choice choose_plan(const Fronts& fronts, const Mappings& mappings, Vit vit, const Profile& profile,
                   const Yardstick& yardstick, const ChoiceOptions& options, Monitor& monitor) {
  options.validate();
  const torch::NoGradGuard no_grad;
  return Chooser(fronts, mappings, std::move(vit), profile, yardstick, options, monitor).run();
}

}  // namespace normgraft
