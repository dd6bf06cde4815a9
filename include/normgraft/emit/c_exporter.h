#pragma once

#include <cstdint>
#include <string>

#include "normgraft/core/files.h"
#include "normgraft/integer/program.h"

namespace normgraft {

/// Where the constants of an exported network are.
enum class CWeights : uint8_t {
  kArray,   ///< arrays in network.c
  kBinary,  ///< network.weights, which network_weights.S takes into the program as it is
};

/// By its word: "array", "binary". Throws InputError naming both.
CWeights c_weights(const std::string& word);

/// What an exported network needs.
struct CExport {
  int64_t arena_bytes = 0;     ///< memory that is written
  int64_t constant_bytes = 0;  ///< of weights, biases, units and curves
};

/// Writes a network of integers (checked, proved) as C99: network.h, network.c, main.c, which classifies a
/// file of raw RGB, and a Makefile; of kBinary also network.weights and network_weights.S. Each file is
/// written at once or not at all. The C needs no library, allocates nothing, and computes what interpret()
/// computes, bit by bit.
CExport write_c(const IntegerProgram& program, const Path& folder, CWeights weights = CWeights::kArray);

}  // namespace normgraft
