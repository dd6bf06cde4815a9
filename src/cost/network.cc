#include "normgraft/cost/network.h"

namespace normgraft {
namespace {

constexpr double kBytesPerElement = 4;
constexpr double kPicojoulesPerOperation = (0.9 + 3.7) / 2;
constexpr double kPicojoulesPerByte = 640.0 / 4;

void add(NormCost& cost, const SiteShape& site, double ops_per_element, double passes) {
  const double elements = static_cast<double>(site.tokens) * static_cast<double>(site.channels);
  const double ops = elements * ops_per_element;
  const double bytes = elements * passes * kBytesPerElement;
  cost.ops += ops;
  cost.bytes += bytes;
  cost.energy_pj += ops * kPicojoulesPerOperation + bytes * kPicojoulesPerByte;
}

void add_layernorm(NormCost& cost, const SiteShape& site) {
  add(cost, site, layernorm_flops_per_element(site.channels), 3);
}

}  // namespace

NormCost layernorm_cost(const std::vector<SiteShape>& sites) {
  NormCost cost;
  for (const SiteShape& site : sites) add_layernorm(cost, site);
  return cost;
}

NormCost graft_cost(const std::vector<SiteShape>& sites, const std::map<std::string, Expression>& functions,
                    const Profile& profile) {
  NormCost cost;
  for (const SiteShape& site : sites) {
    const auto f = functions.find(site.name);
    if (f == functions.end()) {
      add_layernorm(cost, site);
    } else {
      add(cost, site, cost_per_element(f->second, profile, site.channels), 2);
    }
  }
  return cost;
}

}  // namespace normgraft
