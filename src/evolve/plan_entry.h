#pragma once

#include <string>

#include "normgraft/evolve/plan.h"

namespace normgraft {

/// A point of a site's front, or a closed form, as its part of a plan.
PlanEntry plan_entry(const SiteFront& site, const FrontPoint& point, std::string reason);

/// What a point reaches on pictures that neither fitted nor chose it, beside the estimate of what can be, in
/// words; `unit` is that of costs.
std::string held_out_text(const FrontPoint& point, const SiteFront& site, const std::string& unit);

}  // namespace normgraft
