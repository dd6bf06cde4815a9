#pragma once

#include "normgraft/core/monitor.h"
#include "normgraft/evolve/plan.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {

class Network;
class Yardstick;

/// A cheap plan for the whole network whose graft loses at most `within` nats more than that of the plan that
/// is predicted to lose least: the mean over the pictures, and twice its standard error, as other pictures
/// will come. Neither graft is calibrated. Plans of a PlanCurve are measured,
/// first the one whose predicted loss is that near, then plans in between: seven at most. The cheapest that
/// is near enough is taken.
///
/// `network` is the original model. Throws InputError where `within` is not a number from 0 to 1e6, or
/// fronts, mappings and model do not belong together.
Plan choose_within(const Fronts& fronts, const Mappings& mappings, Network network,
                   const Yardstick& yardstick, double within, Monitor& monitor);

/// The same by prediction alone, in the unit of a PlanCurve.
Plan predict_within(const Fronts& fronts, const Mappings& mappings, double within);

}  // namespace normgraft
