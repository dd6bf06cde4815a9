#pragma once

#include <string>

#include "normgraft/circuit/circuit.h"
#include "verilog_units.h"

namespace normgraft {

/// The text of a module for a circuit; ports.module and ports.comment as they are.
std::string circuit_unit(const VerilogPorts& ports, const Circuit& circuit);

/// Clocks from the element that enters to the same element as it leaves.
int circuit_clocks(const Circuit& circuit);

}  // namespace normgraft
