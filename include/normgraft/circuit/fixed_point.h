#pragma once

#include <cstdint>
#include <string>

#include "normgraft/expr/interval.h"

namespace normgraft {

/// Numbers of a fixed point: the code q, two's complement, stands for q 2^-fraction.
struct FixedPoint {
  int bits = 16;  ///< 2 to 32
  int fraction =
      0;  ///< bits behind the point, -32 to 48; below 0 codes stand for multiples of a power of two

  bool operator==(const FixedPoint&) const = default;

  double step() const;     ///< 2^-fraction
  int64_t least() const;   ///< the smallest code
  int64_t most() const;    ///< the largest code
  Interval range() const;  ///< the numbers of these codes

  double value(int64_t code) const;
  /// The code of the nearest number, halves up; beyond the ends the nearer end, for NaN the code nearest 0.
  int64_t code(double value) const;

  /// "16 bits, 9 behind the point"
  std::string to_string() const;
};

/// The format of so many bits with the smallest step that still holds the range. The range is finite.
FixedPoint fixed_point_for(Interval range, int bits);

}  // namespace normgraft
