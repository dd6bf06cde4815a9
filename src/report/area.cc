#include "area.h"

#include <cmath>

#include "html.h"
#include "normgraft/cost/site_cost.h"

namespace normgraft {
namespace {

const Profile& profile() {
  static const Profile kProfile = load_profile("ice40");
  return kProfile;
}

}  // namespace

SiteArea area_at(const SiteMapping& mapping, const std::optional<PlanEntry>& chosen) {
  SiteArea area{.layernorm = layernorm_area(profile(), mapping.channels).value(), .function = {}};
  if (!chosen) return area;
  const double function = SiteCost(profile(), mapping)(chosen->expression);
  if (std::isfinite(function)) area.function = function;
  return area;
}

std::string area_unit() {
  return profile().unit;
}

std::string shown_area(double area) {
  return format_count(std::llround(area));
}

}  // namespace normgraft
