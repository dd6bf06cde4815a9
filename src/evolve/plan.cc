#include "normgraft/evolve/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "normgraft/expr/expression_json.h"
#include "normgraft/mapping/baselines.h"

namespace normgraft {
namespace {

constexpr int kVersion = 1;
constexpr std::string_view kShape = "shape:";

PlanEntry entry(const std::string& site, const FrontPoint& point, std::string reason) {
  return {.site = site,
          .expression = point.expression,
          .cost = point.cost,
          .r2 = point.r2,
          .held_out_r2 = point.held_out_r2,
          .reason = std::move(reason)};
}

const std::vector<FrontPoint>& front_of(const SiteFront& site) {
  if (site.front.empty()) throw InputError(fmt::format("fronts: site {} has no point to choose", site.site));
  return site.front;
}

PlanEntry choose_most_accurate(const SiteFront& site, const std::string& unit) {
  const FrontPoint& point = front_of(site).back();
  return entry(site.site, point,
               fmt::format("The most accurate of {} points: R2 {:.5f} of at most {:.5f} for {:g} {}.",
                           site.front.size(), point.r2, site.ceiling, point.cost, unit));
}

PlanEntry choose_knee(const SiteFront& site, const std::string& unit) {
  const size_t index = knee(front_of(site));
  const FrontPoint& point = site.front[index];
  const FrontPoint& last = site.front.back();
  return entry(
      site.site, point,
      fmt::format("Point {} of {}, the knee: R2 {:.5f} for {:g} {}; the most accurate has {:.5f} for {:g}, "
                  "the ceiling is {:.5f}.",
                  index + 1, site.front.size(), point.r2, point.cost, unit, last.r2, last.cost,
                  site.ceiling));
}

PlanEntry choose_shape(const SiteFront& site, const std::string& name, const std::string& unit) {
  const auto found = std::find_if(site.baselines.begin(), site.baselines.end(),
                                  [&](const BaselinePoint& baseline) { return baseline.name == name; });
  if (found == site.baselines.end()) {
    throw InputError(fmt::format("fronts: site {} has no closed form {}", site.site, name));
  }
  return entry(
      site.site, found->point,
      fmt::format("The fitted closed form {}, as at every site: R2 {:.5f} of at most {:.5f} for {:g} {}.",
                  name, found->point.r2, site.ceiling, found->point.cost, unit));
}

/// The closed form that the strategy names; nothing for the strategies that look at fronts.
std::optional<std::string> shape_of(const std::string& strategy) {
  if (strategy == "knee" || strategy == "min-error") return {};
  const std::vector<std::string> names = baseline_names();
  if (strategy.starts_with(kShape)) {
    std::string name = strategy.substr(kShape.size());
    if (std::find(names.begin(), names.end(), name) != names.end()) return name;
  }
  throw InputError(fmt::format("strategy {}: expected knee, min-error, or shape: followed by one of {}",
                               strategy, fmt::join(names, ", ")));
}

}  // namespace

size_t knee(const std::vector<FrontPoint>& front) {
  if (front.size() <= 2) return front.size() - 1;
  const FrontPoint& first = front.front();
  const FrontPoint& last = front.back();
  size_t best = front.size() - 1;
  double best_depth = 0;
  for (size_t i = 0; i < front.size(); ++i) {
    const double cost = (front[i].cost - first.cost) / (last.cost - first.cost);
    const double error = (front[i].error - last.error) / (first.error - last.error);
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
  Plan plan{.strategy = strategy, .entries = {}};
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

Json to_json(const Plan& plan) {
  Json sites = Json::array();
  for (const PlanEntry& chosen : plan.entries) {
    sites.push_back({{"name", chosen.site},
                     {"expression", chosen.expression.to_string()},
                     {"cost", chosen.cost},
                     {"r2", number_or_null(chosen.r2)},
                     {"held_out_r2", number_or_null(chosen.held_out_r2)},
                     {"reason", chosen.reason}});
  }
  return {{"version", kVersion}, {"strategy", plan.strategy}, {"sites", std::move(sites)}};
}

Plan plan_from_json(const Json& json, const std::string& file) {
  const JsonPlace root(json, file);
  root.check_version(kVersion);
  Plan plan{.strategy = root["strategy"].text(), .entries = {}};
  for (const JsonPlace& site : root["sites"].elements()) {
    PlanEntry chosen{.site = site["name"].text(),
                     .expression = expression_at(site["expression"]),
                     .cost = site["cost"].number(),
                     .r2 = site["r2"].number_or_nan(),
                     .held_out_r2 = site["held_out_r2"].number_or_nan(),
                     .reason = site["reason"].text()};
    for (const PlanEntry& other : plan.entries) {
      if (other.site == chosen.site) site.fail(fmt::format("site {} appears twice", chosen.site));
    }
    plan.entries.push_back(std::move(chosen));
  }
  return plan;
}

}  // namespace normgraft
