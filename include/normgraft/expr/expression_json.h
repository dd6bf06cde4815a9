#pragma once

#include "normgraft/core/json_place.h"
#include "normgraft/expr/expression.h"

namespace normgraft {

/// The expression whose text stands at a place of a file. Throws InputError naming the place and what is
/// wrong.
Expression expression_at(const JsonPlace& place);

/// [low, high] with low <= high, both finite, at a place of a file.
Interval interval_at(const JsonPlace& place);

}  // namespace normgraft
