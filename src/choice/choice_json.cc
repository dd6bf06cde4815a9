#include <cmath>

#include "normgraft/choice/choice.h"

namespace normgraft {
namespace {

Json to_json(const ChoicePoint& point) {
  return {{"cost", point.cost}, {"predicted", point.predicted}, {"measured", point.measured}};
}

Json to_json(const std::optional<ChoicePoint>& point) {
  return point ? to_json(*point) : Json();
}

Json to_json(const std::vector<ChoicePoint>& points) {
  Json list = Json::array();
  for (const ChoicePoint& point : points) list.push_back(to_json(point));
  return list;
}

}  // namespace

Json to_json(const Choice& choice) {
  Json sites = Json::array(), kept = Json::array();
  for (const SiteTrial& trial : choice.sites)
    sites.push_back({{"name", trial.site}, {"points", to_json(trial.points)}});
  for (const KeptSite& site : choice.kept) kept.push_back({{"site", site.site}, {"measured", site.measured}});
  return {
      {"version", 1},
      {"profile", choice.profile},
      {"unit", choice.unit},
      {"cost_of", choice.of_units ? "unit" : "picture"},
      {"budget", choice.budget ? Json(*choice.budget) : Json()},
      {"pictures", choice.pictures},
      {"plan", to_json(choice.chosen)},
      {"knee", to_json(choice.knee)},
      {"min_error", to_json(choice.min_error)},
      {"curve", to_json(choice.curve)},
      {"rank_correlation", std::isfinite(choice.rank_correlation) ? Json(choice.rank_correlation) : Json()},
      {"sites", sites},
      {"keep", kept}};
}

}  // namespace normgraft
