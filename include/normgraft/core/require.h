#pragma once

#include <fmt/format.h>

#include <string_view>

#include "normgraft/core/error.h"

namespace normgraft {

/// Throws InputError "STAGE: FIELD is VALUE, expected RANGE" unless it holds. A value prints as what it is:
/// integers without a point, doubles with the digits they need, texts as they are.
template <typename Value>
void require(bool holds, std::string_view stage, std::string_view field, const Value& value,
             std::string_view range) {
  if (!holds) throw InputError(fmt::format("{}: {} is {}, expected {}", stage, field, value, range));
}

/// The same for a number that has to lie in [low, high]; NaN does not.
template <typename Number>
void require_within(std::string_view stage, std::string_view field, Number value, Number low, Number high) {
  if (!(low <= value && value <= high)) {
    throw InputError(fmt::format("{}: {} is {}, expected {} to {}", stage, field, value, low, high));
  }
}

}  // namespace normgraft
