#pragma once

#include <cstdint>
#include <vector>

namespace normgraft {

/// sign 2^exponent.
struct SignedDigit {
  int sign = 1;  ///< 1 or -1
  int exponent = 0;

  bool operator==(const SignedDigit&) const = default;
};

/// v as the sum of the fewest powers of two with signs, no two of neighbouring exponents, the largest first
/// (the canonical signed digits of Reitwiesner, 1960). Of 0 none. |v| < 2^62.
std::vector<SignedDigit> signed_digits(int64_t v);

/// A number near to `value` of few signed digits: each digit is the power of two nearest to what is left,
/// until no more than `most_error` is left. `value` is finite, most_error > 0.
struct ShortFactor {
  int64_t factor = 0;
  int fraction = 0;  ///< it stands for factor 2^-fraction; not negative
};
ShortFactor short_factor(double value, double most_error);

}  // namespace normgraft
