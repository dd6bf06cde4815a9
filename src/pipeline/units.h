#pragma once

#include <string>
#include <vector>

#include "normgraft/cost/site_cost.h"
#include "normgraft/emit/verilog_exporter.h"
#include "normgraft/graft/graft.h"

namespace normgraft {

/// The functions of a graft as circuits of that precision, in the order of the network;
/// empty where there are none. Throws InputError, which begins with `command`, where the range of x of one is
/// not known, and naming the site for a function that cannot be made a circuit.
std::vector<PlacedCircuit> units_of(const Graft& graft, const std::string& command,
                                    const UnitPrecision& precision);

}  // namespace normgraft
