#include <cmath>

#include "json_fields.h"
#include "normgraft/evolve/evolve.h"

namespace normgraft {
namespace {

constexpr int kVersion = 2;

Json number_or_null(double value) {
  return std::isfinite(value) ? Json(value) : Json();
}

Json to_json(const EvolveOptions& options) {
  // Not the threads: the same search gives the same bytes on any number of them.
  return {{"function_set", options.function_set},
          {"profile", options.profile},
          {"population", options.population},
          {"generations", options.generations},
          {"islands", options.islands},
          {"migration", options.migration},
          {"patience", options.patience},
          {"tournament", options.tournament},
          {"max_nodes", options.max_nodes},
          {"initial_depth", options.initial_depth},
          {"constant_iterations", options.constant_iterations},
          {"digits", options.digits},
          {"fraction_bits", options.fraction_bits},
          {"tail_penalty", options.tail_penalty},
          {"random_search", options.random_search},
          {"seed_closed_forms", options.seed_closed_forms},
          {"starts", options.starts},
          {"seeds", options.seeds},
          {"seed", options.seed},
          {"seconds", options.seconds},
          {"search_bins", options.search_bins},
          {"measure", options.measure == Measure::kCount ? "count" : "weight"},
          {"sites", options.sites}};
}

Json to_json(const FrontPoint& point) {
  return {{"expression", point.expression.to_string()},
          {"cost", point.cost},
          {"error", point.error},
          {"r2", number_or_null(point.r2)},
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
          {"evaluations", site.evaluations},
          {"baselines", std::move(baselines)},
          {"front", to_json(site.front)},
          {"seeds", std::move(seeds)}};
}

int small_integer(const JsonPlace& place, int low) {
  return static_cast<int>(place.integer(low, INT32_MAX));
}

Measure measure_from(const JsonPlace& place) {
  const std::string name = place.text();
  if (name == "count") return Measure::kCount;
  if (name == "weight") return Measure::kWeight;
  place.fail("expected count or weight");
}

std::vector<std::string> texts_from(const JsonPlace& place) {
  std::vector<std::string> texts;
  for (const JsonPlace& element : place.elements()) texts.push_back(element.text());
  return texts;
}

EvolveOptions options_from(const JsonPlace& place) {
  EvolveOptions options{.function_set = place["function_set"].text(),
                        .profile = place["profile"].text(),
                        .population = small_integer(place["population"], 0),
                        .generations = small_integer(place["generations"], 0),
                        .islands = small_integer(place["islands"], 0),
                        .migration = small_integer(place["migration"], 0),
                        .patience = small_integer(place["patience"], 0),
                        .tournament = small_integer(place["tournament"], 0),
                        .max_nodes = small_integer(place["max_nodes"], 0),
                        .initial_depth = small_integer(place["initial_depth"], 0),
                        .constant_iterations = small_integer(place["constant_iterations"], 0),
                        .digits = small_integer(place["digits"], 0),
                        .fraction_bits = small_integer(place["fraction_bits"], -1),
                        .tail_penalty = place["tail_penalty"].number(),
                        .random_search = place["random_search"].boolean(),
                        .seed_closed_forms = place["seed_closed_forms"].boolean(),
                        .starts = texts_from(place["starts"]),
                        .seeds = small_integer(place["seeds"], 0),
                        .seed = place["seed"].unsigned_integer(),
                        .seconds = place["seconds"].number(),
                        .search_bins = place["search_bins"].unsigned_integer(),
                        .measure = measure_from(place["measure"]),
                        .sites = texts_from(place["sites"])};
  try {
    options.validate();
  } catch (const InputError& error) {
    place.fail(error.what());
  }
  return options;
}

double at_least_zero(const JsonPlace& place) {
  const double value = place.number();
  if (value < 0) place.fail("expected a number of at least 0");
  return value;
}

FrontPoint figures_from(const JsonPlace& place) {
  return {.expression = place["expression"].expression(),
          .cost = at_least_zero(place["cost"]),
          .error = at_least_zero(place["error"]),
          .r2 = place["r2"].number_or_nan(),
          .held_out_r2 = place["held_out_r2"].number_or_nan(),
          .plain_r2 = place["plain_r2"].number_or_nan()};
}

std::vector<FrontPoint> front_from(const JsonPlace& place, int seeds) {
  std::vector<FrontPoint> front;
  for (const JsonPlace& element : place.elements()) {
    FrontPoint point = figures_from(element);
    point.seed = static_cast<int>(element["seed"].integer(0, seeds - 1));
    if (!front.empty() && !(point.cost > front.back().cost && point.error < front.back().error)) {
      element.fail("expected a higher cost and a lower error than the point before");
    }
    front.push_back(std::move(point));
  }
  return front;
}

Interval interval_from(const JsonPlace& place) {
  const std::vector<JsonPlace> ends = place.elements();
  if (ends.size() != 2 || !(ends[0].number() <= ends[1].number())) place.fail("expected [low, high]");
  return {ends[0].number(), ends[1].number()};
}

SiteFront site_from(const JsonPlace& place, int seeds) {
  SiteFront site{.site = place["name"].text(),
                 .seen = interval_from(place["seen"]),
                 .ceiling = place["ceiling"].number_or_nan(),
                 .held_out_ceiling = place["held_out_ceiling"].number_or_nan(),
                 .plain_ceiling = place["plain_ceiling"].number_or_nan(),
                 .effective_pairs = at_least_zero(place["effective_pairs"]),
                 .front = front_from(place["front"], seeds),
                 .evaluations = place["evaluations"].integer(0, INT64_MAX)};
  if (site.front.empty()) place["front"].fail("expected at least one point");
  for (const JsonPlace& baseline : place["baselines"].elements()) {
    site.baselines.push_back({baseline["name"].text(), figures_from(baseline)});
  }
  for (const JsonPlace& front : place["seeds"].elements()) site.seeds.push_back(front_from(front, seeds));
  return site;
}

}  // namespace

Json to_json(const Fronts& fronts) {
  Json sites = Json::array();
  for (const SiteFront& site : fronts.sites) sites.push_back(to_json(site));
  return {{"version", kVersion},
          {"options", to_json(fronts.options)},
          {"unit", fronts.unit},
          {"sites", std::move(sites)}};
}

Fronts fronts_from_json(const Json& json, const std::string& file) {
  const JsonPlace root(json, file);
  root.check_version(kVersion);
  Fronts fronts{.options = options_from(root["options"]), .unit = root["unit"].text()};
  for (const JsonPlace& site : root["sites"].elements()) {
    fronts.sites.push_back(site_from(site, fronts.options.seeds));
  }
  return fronts;
}

}  // namespace normgraft
