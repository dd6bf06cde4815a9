#include "normgraft/circuit/signed_digits.h"

#include <algorithm>
#include <cmath>

namespace normgraft {

std::vector<SignedDigit> signed_digits(int64_t v) {
  std::vector<SignedDigit> digits;
  for (int exponent = 0; v != 0; ++exponent, v /= 2) {
    if (v % 2 == 0) continue;
    const int sign = ((v % 4) + 4) % 4 == 1 ? 1 : -1;
    digits.push_back({sign, exponent});
    v -= sign;
  }
  std::reverse(digits.begin(), digits.end());
  return digits;
}

ShortFactor short_factor(double value, double most_error) {
  std::vector<SignedDigit> digits;
  double left = value;
  while (std::abs(left) > most_error) {
    int exponent = 0;
    const double mantissa = std::frexp(std::abs(left), &exponent);  // 0.5 to 1
    if (mantissa < 0.75) --exponent;
    digits.push_back({left < 0 ? -1 : 1, exponent});
    left -= std::ldexp(left < 0 ? -1 : 1, exponent);
  }
  ShortFactor result;
  for (const SignedDigit& digit : digits) result.fraction = std::max(result.fraction, -digit.exponent);
  for (const SignedDigit& digit : digits)
    result.factor += digit.sign * (int64_t{1} << (digit.exponent + result.fraction));
  return result;
}

}  // namespace normgraft
