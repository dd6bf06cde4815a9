#pragma once

#include <string>

#include "normgraft/core/json_place.h"
#include "normgraft/expr/expression.h"

namespace normgraft {

/// The values that constants may have on a target: all floats, those with a few decimal digits, multiples of
/// a power of two, or sums of a few signed powers of two. One of these at most.
struct ConstantGrid {
  int digits = 0;          ///< significant decimal digits, 1 to 8; 0: any
  int fraction_bits = -1;  ///< multiples of 2^-fraction_bits, 0 to 30; -1: any
  /// Canonical signed digits (signed_digits() below) of which no more differ from zero, 1 to 8, each of
  /// 2^-16 to 2^15; 0: any. So 0 is on the grid, and what is nearer to it than half of 2^-16 becomes it.
  int signed_digits = 0;

  /// Whether every float is on it: there is no grid.
  bool allows_all() const { return digits <= 0 && fraction_bits < 0 && signed_digits <= 0; }

  /// Whether no two of the three are asked for.
  bool is_one_kind() const { return (digits > 0) + (fraction_bits >= 0) + (signed_digits > 0) <= 1; }

  /// The nearest value on the grid; rising in `value`. Of two sums of signed digits that are as near it is
  /// the one nearer to 0. A number that would round beyond the largest value gives the largest of that sign:
  /// 3e38 in decimal digits, 2^15 + 2^13 + ... in signed digits.
  float nearest(float value) const;

  bool operator==(const ConstantGrid&) const = default;
};

/// The number of nonzero digits of a finite number in canonical signed digits: of its shortest sum of powers
/// of two with signs, in which no two neighbouring powers occur (7 = 8 - 1 has 2, 0 has none). A product by a
/// constant takes one addition less.
int signed_digits(float value);

/// The grid that a text names: "any", "digits:3", "fraction:10" or "csd:2". Throws InputError for others.
ConstantGrid constant_grid(const std::string& text);

/// f with every constant at its nearest on the grid. Bounds of a clip stay in order, and -5 and 5 where they
/// are, but for grids of one signed digit.
Expression on_grid(const Expression& f, const ConstantGrid& grid);

/// Whether every constant of f is on the grid.
bool is_on_grid(const Expression& f, const ConstantGrid& grid);

/// {"digits": 0, "fraction_bits": -1, "signed_digits": 0}
Json to_json(const ConstantGrid& grid);
/// signed_digits may be missing: 0. Throws InputError naming the place.
ConstantGrid grid_at(const JsonPlace& place);

}  // namespace normgraft
