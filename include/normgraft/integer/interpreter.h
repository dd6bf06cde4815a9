#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "normgraft/integer/program.h"

namespace normgraft {

/// Runs a program plainly, one number at a time: the reference for every other engine. `picture` holds the
/// codes pixel - 128 of [3, height, width]. Logits [classes]. The program is checked (check) and proved
/// (prove_no_overflow).
std::vector<int32_t> interpret(const IntegerProgram& program, std::span<const int8_t> picture);

}  // namespace normgraft
