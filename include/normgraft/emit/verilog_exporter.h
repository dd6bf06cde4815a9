#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "normgraft/circuit/circuit.h"
#include "normgraft/core/files.h"
#include "normgraft/integer/program.h"

namespace normgraft {

/// A module that was written, and the steps that it computes.
struct VerilogUnit {
  std::string module;               ///< its name; its file is MODULE.v
  std::string kind;                 ///< "scale", "curve", "norm", "function"
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

/// A function at a norm site, as a circuit.
struct PlacedCircuit {
  std::string place;
  Circuit circuit;
};

/// Writes circuits, made with tables, in the same way: one module for each distinct one, for tokens of D
/// channels. Units give the codes of Circuit. Of a function that reads r, element 0 of a token is r and comes
/// out as 0. normgraft_leading_one.v and normgraft_quotient.v are what log2 and quotients share.
///
/// Throws InputError, before anything is written, where there is none, and for x, r or y of more than 16 bits
/// or x and r of different bits.
std::vector<VerilogUnit> write_verilog(const std::vector<PlacedCircuit>& circuits, int64_t channels,
                                       const Path& folder);

/// A LayerNorm without gamma and beta, of tokens of D channels, with an eps of 1e-6: the unit to compare
/// functions with.
struct LayerNormUnit {
  FixedPoint x = {.bits = 16, .fraction = 9};
  FixedPoint y = {.bits = 8, .fraction = 3};
  int64_t channels = 192;  ///< D
};

/// Clocks from the first element of a token that enters to the first that leaves. Throws as write_verilog
/// does.
int clocks_of(const LayerNormUnit& unit);

/// Writes it in the same way, as a network of integers with one such site has it.
///
/// Throws InputError, before anything is written, for D beyond 64 to 32768, for x of other than 8 or 16 bits
/// and y of other than 8, and where a sum over a token does not fit 64 bits.
VerilogUnit write_verilog(const LayerNormUnit& unit, const Path& folder);

}  // namespace normgraft
