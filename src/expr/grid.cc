#include "normgraft/expr/grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "normgraft/core/error.h"

namespace normgraft {
namespace {

/// Powers of two that a signed digit may be of.
constexpr int kLowestDigit = -16, kHighestDigit = 15;

float nearest_decimal(float value, int digits) {
  const float rounded = std::strtof(fmt::format("{:.{}e}", value, digits - 1).c_str(), nullptr);
  return std::isfinite(rounded) ? rounded : std::copysign(3e38F, value);
}

float nearest_multiple(float value, int fraction_bits) {
  const float scale = std::ldexp(1.0F, fraction_bits);
  const float rounded = std::nearbyint(value * scale) / scale;
  return std::isfinite(rounded) ? rounded : value;  // so large that it is a whole number
}

/// The sum of at most so many canonical signed digits, the first of 2^highest at most, that is nearest to
/// `value`; of two as near, the lower one. Exact, as value is a float or the rest of one.
///
/// With 2^e <= |value| < 2^(e + 1) the first digit is of one of these two powers, or of 2^highest where that
/// is less: a sum whose first digit is of 2^k is less than 4/3 2^k and more than 2/3 2^k in size, so that one
/// beginning lower is farther from value than 2^e itself, and one beginning higher farther than 2^(e + 1).
double nearest_sum(double value, int digits, int highest) {
  double best = 0;
  if (digits == 0 || value == 0) return best;
  const int e = std::min(std::ilogb(value), highest);
  for (int k = std::max(e, kLowestDigit); k <= std::min(e + 1, highest); ++k) {
    const double first = std::copysign(std::ldexp(1.0, k), value);
    const double sum = first + nearest_sum(value - first, digits - 1, k - 2);
    const double farther = std::abs(sum - value) - std::abs(best - value);
    if (farther < 0 || (farther == 0 && sum < best)) best = sum;
  }
  return best;
}

/// A kind of grid in words: its name, and the range of its number.
struct Kind {
  std::string_view name;
  int ConstantGrid::*number;
  int low, high;
};
constexpr Kind kKinds[] = {{"digits", &ConstantGrid::digits, 1, 8},
                           {"fraction", &ConstantGrid::fraction_bits, 0, 30},
                           {"csd", &ConstantGrid::signed_digits, 1, 8}};

}  // namespace

float ConstantGrid::nearest(float value) const {
  if (allows_all()) return value;
  if (digits > 0) return nearest_decimal(value, digits);
  if (fraction_bits >= 0) return nearest_multiple(value, fraction_bits);
  // From 2^16 on all give the largest sum.
  const double size = std::min(std::abs(value), std::ldexp(1.0F, kHighestDigit + 1));
  return std::copysign(static_cast<float>(nearest_sum(size, signed_digits, kHighestDigit)), value);
}

int signed_digits(float value) {
  int exponent = 0;
  const auto mantissa = static_cast<uint32_t>(std::ldexp(std::frexp(std::abs(value), &exponent), 24));
  // Where 3m and m differ in a bit, the canonical signed digits of m have one that is not zero.
  return std::popcount((3 * mantissa) ^ mantissa);
}

ConstantGrid constant_grid(const std::string& text) {
  if (text == "any") return {};
  const std::string_view all(text);
  const size_t colon = all.find(':');
  for (const Kind& kind : kKinds) {
    if (colon == all.npos || all.substr(0, colon) != kind.name) continue;
    int number = -1;
    const char* end = all.data() + all.size();
    const auto [rest, error] = std::from_chars(all.data() + colon + 1, end, number);
    if (error != std::errc() || rest != end || number < kind.low || number > kind.high) break;
    ConstantGrid grid;
    grid.*kind.number = number;
    return grid;
  }
  throw InputError(fmt::format(
      "constants {}: expected any, digits:1 to digits:8, fraction:0 to fraction:30, or csd:1 to csd:8",
      text));
}

Expression on_grid(const Expression& f, const ConstantGrid& grid) {
  std::vector<float> constants = f.constants();
  for (float& c : constants) c = grid.nearest(c);
  Expression rounded = f;
  rounded.set_constants(constants);
  return rounded;
}

bool is_on_grid(const Expression& f, const ConstantGrid& grid) {
  const std::vector<float> constants = f.constants();
  return std::all_of(constants.begin(), constants.end(), [&](float c) { return grid.nearest(c) == c; });
}

Json to_json(const ConstantGrid& grid) {
  return {
      {"digits", grid.digits}, {"fraction_bits", grid.fraction_bits}, {"signed_digits", grid.signed_digits}};
}

ConstantGrid grid_at(const JsonPlace& place) {
  ConstantGrid grid{.digits = static_cast<int>(place["digits"].integer(0, 8)),
                    .fraction_bits = static_cast<int>(place["fraction_bits"].integer(-1, 30))};
  if (const auto number = place.find("signed_digits"))
    grid.signed_digits = static_cast<int>(number->integer(0, 8));
  if (!grid.is_one_kind()) place.fail("expected one of digits, fraction_bits and signed_digits at most");
  return grid;
}

}  // namespace normgraft
