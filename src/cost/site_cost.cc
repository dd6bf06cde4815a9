#include "normgraft/cost/site_cost.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "normgraft/core/error.h"

namespace normgraft {
namespace {

/// How far LayerNorm's y reaches, in spreads of its token. Networks live by single channels that do.
double most_scaled_y(int64_t channels) {
  return std::sqrt(static_cast<double>(channels - 1));
}

}  // namespace

CircuitPorts ports_at_site(Interval range, const Carried& carried, double most_y, int y_bits) {
  CircuitPorts ports;
  ports.y = fixed_point_for({-most_y, most_y}, y_bits);
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

CircuitPorts ports_at_site(const SiteMapping& site) {
  double most = 0;
  if (site.carried.channel) {
    most = most_scaled_y(site.channels);
  } else {
    for (const float y : make_samples(site, Measure::kCount, Part::kFit).y)
      most = std::max(most, static_cast<double>(std::abs(y)));
  }
  return ports_at_site(site.range(), site.carried, most);
}

CircuitPorts ports_at_site(const Expression& f, Interval seen, const Carried& carried, int64_t channels,
                           int y_bits) {
  if (carried.channel) return ports_at_site(seen, carried, most_scaled_y(channels), y_bits);
  constexpr int kSamples = 256;
  double most = 0;
  for (int i = 0; i <= kSamples; ++i)
    most = std::max(most, std::abs(f(seen.low + (seen.high - seen.low) * i / kSamples)));
  return ports_at_site(seen, carried, most, y_bits);
}

double area(const Circuit& circuit, const Profile& profile) {
  const CircuitParts parts = parts_of(circuit);
  double sum = 0;
  for (size_t i = 0; i < parts.size(); ++i) sum += parts[i] * (*profile.parts)[i];
  return sum;
}

SiteCost::SiteCost(const Profile& profile, const SiteMapping& site)
    : profile_(profile), channels_(site.channels) {
  if (profile.parts) ports_ = ports_at_site(site);
}

double SiteCost::operator()(const Expression& f) const {
  if (!profile_.parts) return cost_per_element(f, profile_, channels_);
  try {
    return area(Circuit(f, ports_, UnitPrecision{}.most_error, /*tables=*/false), profile_);
  } catch (const InputError&) {
    return std::numeric_limits<double>::infinity();
  }
}

}  // namespace normgraft
