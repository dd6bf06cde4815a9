#pragma once

#include <string>
#include <vector>

#include "normgraft/integer/program.h"

namespace normgraft {

/// A curve of codes as logic: knots between which it is straight in a table, one product.
struct CurveLogic {
  /// Declarations and registers: `at` one clock behind the code, `entry` and `distance` two; all follow
  /// `step`. The wire `value` is the curve, `offset` added, two clocks behind the code.
  std::string text;
  int bits = 0;                     ///< of `value`
  std::vector<std::string> unused;  ///< bits that nothing reads
};

/// The least and the largest value over all codes of so many bits.
struct CurveRange {
  int64_t least = 0, most = 0;
};
CurveRange range_of(const Curve& curve, const IntegerTensor& knots, int code_bits);

/// The curve of what a wire holds. `value` is of `bits` bits, which hold the curve's values with `offset`
/// added, signed or not.
struct CodeWire {
  std::string name;
  int bits = 0;
};
CurveLogic curve_logic(const Curve& curve, const IntegerTensor& knots, const CodeWire& code, int64_t offset,
                       int bits);

}  // namespace normgraft
