#pragma once

#include <fmt/format.h>

#include <string>

#include "normgraft/core/error.h"

namespace normgraft {

/// Throws InputError "STAGE: FIELD is VALUE, expected RANGE" unless it holds.
inline void require(bool holds, const std::string& stage, const std::string& field, double value,
                    const std::string& range) {
  if (!holds) throw InputError(fmt::format("{}: {} is {}, expected {}", stage, field, value, range));
}

}  // namespace normgraft
