#include "normgraft/circuit/fixed_point.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "normgraft/integer/arithmetic.h"

namespace normgraft {

double FixedPoint::step() const {
  return std::ldexp(1, -fraction);
}

int64_t FixedPoint::least() const {
  return -largest_code(bits) - 1;
}

int64_t FixedPoint::most() const {
  return largest_code(bits);
}

Interval FixedPoint::range() const {
  return {value(least()), value(most())};
}

double FixedPoint::value(int64_t code) const {
  return std::ldexp(static_cast<double>(code), -fraction);
}

int64_t FixedPoint::code(double value) const {
  if (std::isnan(value)) return 0;
  const double scaled = std::floor(std::ldexp(value, fraction) + 0.5);
  return static_cast<int64_t>(std::clamp(scaled, static_cast<double>(least()), static_cast<double>(most())));
}

std::string FixedPoint::to_string() const {
  return fmt::format("{} bits, {} behind the point", bits, fraction);
}

FixedPoint fixed_point_for(Interval range, int bits) {
  constexpr int kFinest = 48, kCoarsest = -32;
  FixedPoint format{bits, kFinest};
  while (format.fraction > kCoarsest &&
         (format.value(format.least()) > range.low || format.value(format.most()) < range.high))
    --format.fraction;
  return format;
}

}  // namespace normgraft
