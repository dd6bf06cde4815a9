#include "normgraft/evolve/evolve.h"
#include "normgraft/expr/expression_json.h"

namespace normgraft {
namespace {

constexpr int kFrontsVersion = 3;

Json to_json(const FrontPoint& point) {
  return {{"expression", point.expression.to_string()},
          {"cost", point.cost},
          {"error", point.error},
          {"r2", number_or_null(point.r2)},
          {"choose_error", point.choose_error},
          {"choose_r2", number_or_null(point.choose_r2)},
          {"held_out_r2", number_or_null(point.held_out_r2)},
          {"plain_r2", number_or_null(point.plain_r2)},
          {"seed", point.seed}};
}

Json to_json(const std::vector<FrontPoint>& front) {
  Json json = Json::array();
  for (const FrontPoint& point : front) json.push_back(to_json(point));
  return json;
}

Json to_json(const SiteFront& site) {
  Json seeds = Json::array();
  for (const auto& front : site.seeds) seeds.push_back(to_json(front));
  Json baselines = Json::array();
  for (const BaselinePoint& baseline : site.baselines) {
    Json json = to_json(baseline.point);
    json["name"] = baseline.name;
    json.erase("seed");
    baselines.push_back(std::move(json));
  }
  return {{"name", site.site},
          {"seen", {site.seen.low, site.seen.high}},
          {"ceiling", number_or_null(site.ceiling)},
          {"held_out_ceiling", number_or_null(site.held_out_ceiling)},
          {"plain_ceiling", number_or_null(site.plain_ceiling)},
          {"effective_pairs", site.effective_pairs},
          {"beats_closed_forms", beats_closed_forms(site)},
          {"evaluations", site.evaluations},
          {"baselines", std::move(baselines)},
          {"front", to_json(site.front)},
          {"seeds", std::move(seeds)}};
}

double at_least_zero(const JsonPlace& place) {
  const double value = place.number();
  if (value < 0) place.fail("expected a number of at least 0");
  return value;
}

FrontPoint figures_from(const JsonPlace& place, int version) {
  FrontPoint point{.expression = expression_at(place["expression"]),
                   .cost = at_least_zero(place["cost"]),
                   .error = at_least_zero(place["error"]),
                   .r2 = place["r2"].number_or_nan(),
                   .held_out_r2 = place["held_out_r2"].number_or_nan(),
                   .plain_r2 = place["plain_r2"].number_or_nan()};
  point.choose_error = version < 3 ? point.error : at_least_zero(place["choose_error"]);
  point.choose_r2 = version < 3 ? point.r2 : place["choose_r2"].number_or_nan();
  return point;
}

std::vector<FrontPoint> front_from(const JsonPlace& place, int seeds, int version) {
  std::vector<FrontPoint> front;
  for (const JsonPlace& element : place.elements()) {
    FrontPoint point = figures_from(element, version);
    point.seed = static_cast<int>(element["seed"].integer(0, seeds - 1));
    if (!front.empty() && !(point.cost > front.back().cost && point.error < front.back().error)) {
      element.fail("expected a higher cost and a lower error than the point before");
    }
    front.push_back(std::move(point));
  }
  return front;
}

SiteFront site_from(const JsonPlace& place, int seeds, int version) {
  SiteFront site{.site = place["name"].text(),
                 .seen = interval_at(place["seen"]),
                 .ceiling = place["ceiling"].number_or_nan(),
                 .held_out_ceiling = place["held_out_ceiling"].number_or_nan(),
                 .plain_ceiling = place["plain_ceiling"].number_or_nan(),
                 .effective_pairs = at_least_zero(place["effective_pairs"]),
                 .front = front_from(place["front"], seeds, version),
                 .evaluations = place["evaluations"].integer(0, INT64_MAX)};
  if (site.front.empty()) place["front"].fail("expected at least one point");
  for (const JsonPlace& baseline : place["baselines"].elements()) {
    site.baselines.push_back({baseline["name"].text(), figures_from(baseline, version)});
  }
  for (const JsonPlace& front : place["seeds"].elements())
    site.seeds.push_back(front_from(front, seeds, version));
  return site;
}

}  // namespace

Json to_json(const Fronts& fronts) {
  Json sites = Json::array();
  for (const SiteFront& site : fronts.sites) sites.push_back(to_json(site));
  return {{"version", kFrontsVersion},
          {"options", to_json(fronts.options)},
          {"unit", fronts.unit},
          {"cost_of", fronts.of_units ? "unit" : "element"},
          {"sites", std::move(sites)}};
}

Fronts fronts_from_json(const Json& json, const std::string& file) {
  const JsonPlace root(json, file);
  const int version = root.check_version(kFrontsVersion);
  Fronts fronts{.options = evolve_options_at(root["options"]), .unit = root["unit"].text()};
  if (const auto cost_of = root.find("cost_of")) {
    fronts.of_units = cost_of->text() == "unit";
    if (!fronts.of_units && cost_of->text() != "element") cost_of->fail("expected \"element\" or \"unit\"");
  }
  for (const JsonPlace& site : root["sites"].elements()) {
    fronts.sites.push_back(site_from(site, fronts.options.seeds, version));
  }
  return fronts;
}

}  // namespace normgraft
