#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "normgraft/integer/program.h"

namespace normgraft {

/// floor((v + 2^(shift-1)) / 2^shift), v itself for shift = 0. v + 2^(shift-1) fits 64 bits.
inline int64_t round_shift(int64_t v, int shift) {
  return shift == 0 ? v : (v + (int64_t{1} << (shift - 1))) >> shift;
}

/// v with 2^(cut-1), the middle, in place of its lower `cut` bits; v itself for cut = 0.
inline int64_t without_lower_bits(int64_t v, int cut) {
  return ((v >> cut) << cut) + ((int64_t{1} << cut) >> 1);
}

inline int64_t apply(const Rescale& rescale, int64_t v) {
  return round_shift(v * rescale.multiplier, rescale.shift);
}

/// The largest code of so many bits, two's complement; the smallest is one less than its negative.
inline int64_t largest_code(int bits) {
  return (int64_t{1} << (bits - 1)) - 1;
}

/// How many bits, two's complement, hold every number from least to most.
inline int signed_bits(int64_t least, int64_t most) {
  const auto magnitude = [](int64_t v) { return std::bit_width(static_cast<uint64_t>(v < 0 ? ~v : v)); };
  return 1 + static_cast<int>(std::max(magnitude(least), magnitude(most)));
}

/// v held within what so many bits can hold.
inline int64_t clamp_to_bits(int64_t v, int bits) {
  return std::clamp(v, -largest_code(bits) - 1, largest_code(bits));
}

/// The curve's value at q; `knots` is its tensor.
inline int64_t value_at(const Curve& curve, const IntegerTensor& knots, int64_t q) {
  const int64_t low = curve.low, intervals = knots.size() - 1;
  const int64_t d = std::clamp(q, low, low + (intervals << curve.shift)) - low;
  const int64_t i = std::min(d >> curve.shift, intervals - 1);
  const int64_t f = d - (i << curve.shift);
  return round_shift((knots.at(i) << curve.shift) + (knots.at(i + 1) - knots.at(i)) * f,
                     curve.shift + curve.fraction);
}

/// The place of the leading one: 2^b <= v < 2^(b+1). v is positive.
inline int leading_one(int64_t v) {
  return 63 - std::countl_zero(static_cast<uint64_t>(v));
}

/// The 16 bits behind the leading one of a positive v, the bits below them cut off: floor(v 2^(16-b)) - 2^16.
inline int64_t fraction_behind_leading_one(int64_t v) {
  const int b = leading_one(v);
  return (b >= 16 ? v >> (b - 16) : v << (16 - b)) - 65536;
}

/// The whole part of the root of v, which is not negative.
int64_t whole_root(int64_t v);

}  // namespace normgraft
