#include "normgraft/cost/site_cost.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "normgraft/core/error.h"

namespace normgraft {
namespace {

constexpr double kMostError = 0.5;  ///< of a unit, in steps of y beyond rounding

}  // namespace

CircuitPorts ports_at_site(Interval range, const Carried& carried, double most_y) {
  CircuitPorts ports;
  ports.y = fixed_point_for({-most_y, most_y}, kSiteOutBits);
  if (!carried.channel) {
    ports.x = fixed_point_for(range, kSiteInBits);
    return ports;
  }
  const double most_x = most_y * std::exp(carried.high);
  ports.x = fixed_point_for({-most_x, most_x}, kSiteInBits);
  ports.r_held = {carried.low, carried.high};
  ports.r = fixed_point_for(ports.r_held, kSiteInBits);
  return ports;
}

double area(const Circuit& circuit, const Profile& profile) {
  const CircuitParts parts = parts_of(circuit);
  double sum = 0;
  for (size_t i = 0; i < parts.size(); ++i) sum += parts[i] * (*profile.parts)[i];
  return sum;
}

SiteCost::SiteCost(const Profile& profile, int64_t channels, const CircuitPorts& ports)
    : profile_(profile), channels_(channels), ports_(ports) {}

double SiteCost::operator()(const Expression& f) const {
  if (!profile_.parts) return cost_per_element(f, profile_, channels_);
  try {
    return area(Circuit(f, ports_, kMostError, false), profile_);
  } catch (const InputError&) {
    return std::numeric_limits<double>::infinity();
  }
}

}  // namespace normgraft
