#pragma once

#include <string>

#include "normgraft/circuit/circuit.h"
#include "normgraft/integer/program.h"
#include "verilog_units.h"

namespace normgraft {

/// What a testbench sends through a unit and expects, as MODULE.vectors holds it: tokens, each as its
/// elements (32 bits), their codes and the codes that interpret() computes of them (16 bits each),
/// little-endian.
///
/// A curve gets every code. Of a scale, each r comes with some x, and each x with some r. A norm gets
/// random tokens of many spreads, and those at the ends of its range.
std::string unit_vectors(const IntegerProgram& program, const IntegerStep& step, const VerilogPorts& ports);

/// The same of a circuit, which gets every code of x, and where it reads r every code of r too, as a scale
/// does.
std::string unit_vectors(const Circuit& circuit, const VerilogPorts& ports);

}  // namespace normgraft
