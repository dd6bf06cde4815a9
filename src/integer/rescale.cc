#include "normgraft/integer/rescale.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace normgraft {
namespace {

constexpr int kDigits = 31;  ///< of a multiplier, without its sign
constexpr int kLargestRescaleShift = 62;

}  // namespace

Rescale rescale_by(double factor) {
  if (!(std::abs(factor) < std::ldexp(1, kDigits)))
    throw std::logic_error(fmt::format("no rescale multiplies by {}", factor));
  if (factor == 0) return {};
  int exponent = 0;
  std::frexp(factor, &exponent);  // 2^(exponent - 1) <= |factor| < 2^exponent
  int shift = std::min(kDigits - exponent, kLargestRescaleShift);
  int64_t multiplier = std::llround(std::ldexp(factor, shift));
  if (std::abs(multiplier) == int64_t{1} << kDigits) {  // rounded up to the next power of two
    multiplier /= 2;
    --shift;
  }
  if (shift < 0) throw std::logic_error(fmt::format("no rescale multiplies by {}", factor));
  return {static_cast<int32_t>(multiplier), shift};
}

}  // namespace normgraft
