#pragma once

#include <cstddef>

#include "normgraft/integer/program.h"

namespace normgraft {

/// A name in quotes, on one line whatever is in it.
std::string in_quotes(const std::string& name);

/// 'step 3, "blocks.0.norm1"': where an error of a program is.
std::string where(const IntegerProgram& program, size_t step);

/// The bounds of the sums of a step that are held in so many bits. Shapes, tensors and ranges of the step are
/// those that check() lets pass. Throws InputError naming place, row and bound where one does not fit.
std::vector<AccumulatorBound> bounds_of(const IntegerProgram& program, size_t step, int bits);

}  // namespace normgraft
