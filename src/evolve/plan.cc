#include "normgraft/evolve/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "normgraft/expr/expression_json.h"
#include "normgraft/mapping/baselines.h"
#include "plan_entry.h"

namespace normgraft {
namespace {

constexpr int kPlanVersion = 3;
constexpr std::string_view kShape = "shape:";

std::string figure(double value) {
  return std::isfinite(value) ? fmt::format("{:.5f}", value) : "unknown";
}

const std::vector<FrontPoint>& front_of(const SiteFront& site) {
  if (site.front.empty()) throw InputError(fmt::format("fronts: site {} has no point to choose", site.site));
  return site.front;
}

PlanEntry choose_most_accurate(const SiteFront& site, const std::string& unit) {
  const FrontPoint& point = site.front[most_accurate(front_of(site))];
  return plan_entry(site, point,
                    fmt::format("The most accurate of {} points on the pictures to choose by: {}.",
                                site.front.size(), held_out_text(point, site, unit)));
}

PlanEntry choose_knee(const SiteFront& site, const std::string& unit) {
  const size_t index = knee(front_of(site));
  const FrontPoint& point = site.front[index];
  const FrontPoint& best = site.front[most_accurate(site.front)];
  return plan_entry(
      site, point,
      fmt::format("Point {} of {}, the knee on the pictures to choose by: {}; the most accurate has {} "
                  "for {:g}.",
                  index + 1, site.front.size(), held_out_text(point, site, unit), figure(best.held_out_r2),
                  best.cost));
}

PlanEntry choose_shape(const SiteFront& site, const std::string& name, const std::string& unit) {
  const auto found = std::find_if(site.baselines.begin(), site.baselines.end(),
                                  [&](const BaselinePoint& baseline) { return baseline.name == name; });
  if (found == site.baselines.end()) {
    throw InputError(fmt::format("fronts: site {} has no closed form {}", site.site, name));
  }
  return plan_entry(site, found->point,
                    fmt::format("The fitted closed form {}, as at every site: {}.", name,
                                held_out_text(found->point, site, unit)));
}

Interval seen_at(const JsonPlace& place) {
  return place.is_null() ? Interval::entire() : interval_at(place);
}

std::optional<Nearness> nearness_at(const JsonPlace& place) {
  if (place.is_null()) return {};
  return Nearness{.within = place["within"].number(),
                  .unit = place["unit"].text(),
                  .measured = place["measured"].boolean(),
                  .loss = place["loss"].number(),
                  .least_loss = place["least_loss"].number(),
                  .cost = place["cost"].number(),
                  .cost_of_least_loss = place["cost_of_least_loss"].number(),
                  .cost_unit = place.find("cost_unit") ? place["cost_unit"].text() : ""};
}

/// The closed form that the strategy names; nothing for the strategies that look at fronts.
std::optional<std::string> shape_of(const std::string& strategy) {
  if (strategy == "knee" || strategy == "min-error") return {};
  std::vector<std::string> names = baseline_names();
  for (std::string& name : token_form_names()) names.push_back(std::move(name));
  if (strategy.starts_with(kShape)) {
    std::string name = strategy.substr(kShape.size());
    if (std::find(names.begin(), names.end(), name) != names.end()) return name;
  }
  throw InputError(
      fmt::format("strategy {}: expected within, budget, knee, min-error, or shape: followed by one of {}",
                  strategy, fmt::join(names, ", ")));
}

}  // namespace

PlanEntry plan_entry(const SiteFront& site, const FrontPoint& point, std::string reason) {
  return {.site = site.site,
          .expression = point.expression,
          .cost = point.cost,
          .r2 = point.r2,
          .held_out_r2 = point.held_out_r2,
          .reason = std::move(reason),
          .seen = site.seen};
}

std::string held_out_text(const FrontPoint& point, const SiteFront& site, const std::string& unit) {
  return fmt::format("R2 {} for {:g} {} on pictures held out, where the ceiling is estimated at {}",
                     figure(point.held_out_r2), point.cost, unit, figure(site.held_out_ceiling));
}

size_t most_accurate(const std::vector<FrontPoint>& front) {
  const auto less = [](const FrontPoint& a, const FrontPoint& b) { return a.choose_error < b.choose_error; };
  return static_cast<size_t>(std::min_element(front.begin(), front.end(), less) - front.begin());
}

size_t knee(const std::vector<FrontPoint>& front) {
  const FrontPoint& first = front.front();
  const size_t last = most_accurate(front);
  size_t best = last;
  double best_depth = 0;
  for (size_t i = 1; i < last; ++i) {
    const double cost = (front[i].cost - first.cost) / (front[last].cost - first.cost);
    const double error =
        (front[i].choose_error - front[last].choose_error) / (first.choose_error - front[last].choose_error);
    const double depth = 1 - cost - error;
    if (depth > best_depth) {
      best = i;
      best_depth = depth;
    }
  }
  return best;
}

Plan select_plan(const Fronts& fronts, const std::string& strategy) {
  const std::optional<std::string> shape = shape_of(strategy);
  Plan plan{.strategy = strategy, .grid = fronts.options.grid()};
  for (const SiteFront& site : fronts.sites) {
    if (shape) {
      plan.entries.push_back(choose_shape(site, *shape, fronts.unit));
    } else if (strategy == "knee") {
      plan.entries.push_back(choose_knee(site, fronts.unit));
    } else {
      plan.entries.push_back(choose_most_accurate(site, fronts.unit));
    }
  }
  return plan;
}

Json to_json(const Nearness& nearness) {
  return {{"within", nearness.within},
          {"unit", nearness.unit},
          {"measured", nearness.measured},
          {"loss", nearness.loss},
          {"least_loss", nearness.least_loss},
          {"cost", nearness.cost},
          {"cost_of_least_loss", nearness.cost_of_least_loss},
          {"cost_unit", nearness.cost_unit}};
}

Json to_json(const Plan& plan) {
  Json sites = Json::array();
  for (const PlanEntry& chosen : plan.entries) {
    sites.push_back({{"name", chosen.site},
                     {"expression", chosen.expression.to_string()},
                     {"cost", chosen.cost},
                     {"r2", number_or_null(chosen.r2)},
                     {"held_out_r2", number_or_null(chosen.held_out_r2)},
                     {"reason", chosen.reason},
                     {"seen", chosen.seen.finite() ? Json{chosen.seen.low, chosen.seen.high} : Json()}});
  }
  return {{"version", kPlanVersion},
          {"strategy", plan.strategy},
          {"nearness", plan.nearness ? to_json(*plan.nearness) : Json()},
          {"grid", to_json(plan.grid)},
          {"sites", std::move(sites)}};
}

Plan plan_from_json(const Json& json, const std::string& file) {
  const JsonPlace root(json, file);
  const int version = root.check_version(kPlanVersion);
  Plan plan{.strategy = root["strategy"].text()};
  if (version >= 2) plan.grid = grid_at(root["grid"]);
  if (version >= 3) plan.nearness = nearness_at(root["nearness"]);
  for (const JsonPlace& site : root["sites"].elements()) {
    PlanEntry chosen{.site = site["name"].text(),
                     .expression = expression_at(site["expression"]),
                     .cost = site["cost"].number(),
                     .r2 = site["r2"].number_or_nan(),
                     .held_out_r2 = site["held_out_r2"].number_or_nan(),
                     .reason = site["reason"].text()};
    if (version >= 2) chosen.seen = seen_at(site["seen"]);
    for (const PlanEntry& other : plan.entries) {
      if (other.site == chosen.site) site.fail(fmt::format("site {} appears twice", chosen.site));
    }
    plan.entries.push_back(std::move(chosen));
  }
  return plan;
}

}  // namespace normgraft
