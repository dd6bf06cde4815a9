#pragma once

#include "normgraft/core/json_place.h"
#include "normgraft/expr/expression.h"

namespace normgraft {

/// The values that constants may have on a target: all floats, those with a few decimal digits, or multiples
/// of a power of two.
struct ConstantGrid {
  int digits = 0;          ///< significant decimal digits, 1 to 8; 0: any
  int fraction_bits = -1;  ///< multiples of 2^-fraction_bits, 0 to 30; -1: any. One of both at most.

  /// Whether every float is on it: there is no grid.
  bool allows_all() const { return digits <= 0 && fraction_bits < 0; }

  /// The nearest value on the grid; rising in `value`. A number that would round beyond the largest float
  /// gives the one of that sign and 3e38, which is on every grid.
  float nearest(float value) const;

  bool operator==(const ConstantGrid&) const = default;
};

/// f with every constant at its nearest on the grid. Bounds of a clip stay in order, and -5 and 5 where they
/// are.
Expression on_grid(const Expression& f, const ConstantGrid& grid);

/// Whether every constant of f is on the grid.
bool is_on_grid(const Expression& f, const ConstantGrid& grid);

/// {"digits": 0, "fraction_bits": -1}
Json to_json(const ConstantGrid& grid);
/// Throws InputError naming the place.
ConstantGrid grid_at(const JsonPlace& place);

}  // namespace normgraft
