#include "units.h"

#include <fmt/format.h>

#include "normgraft/core/error.h"

namespace normgraft {

std::vector<PlacedCircuit> units_of(const Graft& graft, const std::string& command,
                                    const UnitPrecision& precision) {
  const FunctionFile file = graft.function_file();
  std::vector<PlacedCircuit> circuits;
  for (const Site& site : graft.network().sites()) {
    const auto f = file.functions.find(site.name);
    if (f == file.functions.end()) continue;
    const auto seen = file.seen.find(site.name);
    if (seen == file.seen.end() && !site.carried.channel) {
      throw InputError(fmt::format("{}: functions.json says no range of x for {}, expected one under seen",
                                   command, site.name));
    }
    const Interval range = seen == file.seen.end() ? Interval{} : seen->second;
    try {
      const CircuitPorts ports =
          ports_at_site(f->second, range, site.carried, site.channels, precision.y_bits);
      circuits.push_back({site.name, Circuit(f->second, ports, precision.most_error)});
    } catch (const InputError& error) {
      throw InputError(fmt::format("{}: {}: {}", command, site.name, error.what()));
    }
  }
  return circuits;
}

}  // namespace normgraft
