#pragma once

#include "normgraft/graft/graft.h"
#include "normgraft/integer/program.h"
#include "normgraft/models/vit.h"
#include "normgraft/quantize/precision.h"
#include "operand_grids.h"
#include "ranges.h"

namespace normgraft {

/// What is known of the numbers of a network that is to become whole numbers.
struct SeenNumbers {
  std::map<std::string, RangeWatcher::Place> places;
  std::map<std::string, OperandGrid> operands;  ///< by the weight behind them, of places_to_choose()
  Tensor projections;  ///< largest magnitudes of those of the first carrier, F64 [K], where it is there
};

/// What enters the Linears behind norm sites and activations.
std::vector<OperandPlace> places_to_choose(const Graft& graft, const VitConfig& config);

/// The program of a plain Vision Transformer whose sites are folded: steps, buffers and tensors.
IntegerProgram vit_program(const Graft& graft, const VitConfig& config, const Precision& precision,
                           const SeenNumbers& seen);

}  // namespace normgraft
