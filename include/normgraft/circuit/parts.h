#pragma once

#include <array>
#include <string_view>

#include "normgraft/circuit/circuit.h"

namespace normgraft {

/// What circuits are built of. The area of each is taken as proportional to its quantity.
enum class CircuitPart : uint8_t {
  kAdder,       ///< bits of sums and differences
  kAbs,         ///< bits of numbers whose sign is taken off or turned
  kDigit,       ///< bits of sums for the signed digits of a constant factor
  kChoice,      ///< bits of numbers of which the smaller or the larger is taken: min, max
  kClip,        ///< bits of numbers that are held between two constants
  kProduct,     ///< bits of the rows of products: of x, and 3, times digits of 4 of the other factor
  kMultiplier,  ///< multipliers of 18 x 18 bits that the same products take, of a chip that has them
  kTable,       ///< entries times bits of a table of knots and slopes
  kShift,       ///< bits times stages of a shift by a number that is not constant, found or given
  kQuotient,    ///< bits of a quotient times bits of its denominator
  kRounding,    ///< bits of y, where it is rounded
  kHolding,     ///< bits of y, where it is held within its range
  kUnit,        ///< 1: what speaks to the neighbours
};
inline constexpr size_t kCircuitPartCount = static_cast<size_t>(CircuitPart::kUnit) + 1;

/// "adder", "abs", "digit", "choice", "clip", "product", "multiplier", "table", "shift", "quotient",
/// "rounding", "holding", "unit".
std::string_view part_name(CircuitPart part);

/// How much of each part, indexed by CircuitPart.
using CircuitParts = std::array<double, kCircuitPartCount>;

/// Of a circuit. Of a curve that is not fitted, the number of knots is estimated from the curvature.
CircuitParts parts_of(const Circuit& circuit);

}  // namespace normgraft
