#pragma once

#include <string>

#include "c_constants.h"
#include "normgraft/integer/arena.h"

namespace normgraft {

/// network.c: constants, arithmetic, the parameters of each step, and network(), which runs the passes of the
/// plan. Tells `constants` which tensors it reads.
std::string c_network(const IntegerProgram& program, const ArenaPlan& plan, CConstants& constants);

}  // namespace normgraft
