#pragma once

#include "normgraft/graft/graft.h"
#include "normgraft/integer/program.h"
#include "normgraft/models/vit.h"
#include "normgraft/quantize/precision.h"
#include "ranges.h"

namespace normgraft {

/// What is known of the numbers of a network that is to become whole numbers.
struct SeenNumbers {
  std::map<std::string, RangeWatcher::Place> places;
  Tensor projections;  ///< largest magnitudes of those of the first carrier, F64 [K], where it is there
};

/// Throws InputError naming what a plain Vision Transformer has not.
void check_plain_vit(const VitConfig& config, const Network& network);

/// The program of a plain Vision Transformer whose sites are folded: steps, buffers and tensors.
IntegerProgram vit_program(const Graft& graft, const VitConfig& config, const Precision& precision,
                           const SeenNumbers& seen);

}  // namespace normgraft
