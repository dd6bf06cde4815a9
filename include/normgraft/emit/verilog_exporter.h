#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normgraft/core/files.h"
#include "normgraft/integer/program.h"

namespace normgraft {

/// A module that was written, and the steps that it computes.
struct VerilogUnit {
  std::string module;               ///< its name; its file is MODULE.v
  std::string kind;                 ///< "scale", "curve", "norm"
  std::vector<std::string> places;  ///< of its steps, in their order
  int in_bits = 0, out_bits = 0;    ///< of a code
  int64_t channels = 0;             ///< elements of a token
  int clocks = 0;                   ///< from the first element that enters to the first that leaves
};

/// Writes the norm sites and activations of a network of integers (checked, proved) as Verilog-2005: one
/// module for each distinct ScaleStep, CurveStep and NormStep, MODULE.v, and what they share,
/// normgraft_product.v; MODULE.vectors, tokens with what interpret() computes of them, testbench.cpp, which
/// compares, and a Makefile that lints and simulates by Verilator; units.json, which says what module belongs
/// to which place. docs/hardware.md says how a module speaks.
///
/// Scale and curve units give the codes of interpret(), norm units are at most one code from them.
///
/// Throws InputError, before anything is written, where there is no such step, and for codes of 32 bits.
std::vector<VerilogUnit> write_verilog(const IntegerProgram& program, const Path& folder);

}  // namespace normgraft
