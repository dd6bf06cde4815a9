#pragma once

#include <map>
#include <string>

#include "normgraft/integer/program.h"

namespace normgraft {

/// The place of a step in hardware: the widths of its codes, its name.
struct VerilogPorts {
  std::string place;  ///< of the step, for a message
  std::string module, comment;
  int in_bits = 0, out_bits = 0;
  int64_t channels = 0;  ///< elements of a token
};

/// The words of verilog::kPorts; `says` is what the module computes.
std::map<std::string, std::string> words_of(const VerilogPorts& ports, const std::string& says);

// The text of a module for each kind of step.
std::string scale_unit(const VerilogPorts& ports, const ScaleStep& step, const IntegerTensor& knots);
std::string curve_unit(const VerilogPorts& ports, const CurveStep& step, const IntegerTensor& knots);
std::string norm_unit(const VerilogPorts& ports, const NormStep& step);

/// Clocks from the first element of a token that enters a norm unit to the first that leaves it.
int norm_clocks(const VerilogPorts& ports, const NormStep& step);

}  // namespace normgraft
