#include "normgraft/integer/norm_step.h"

#include <algorithm>
#include <cmath>

#include "normgraft/integer/rescale.h"

namespace normgraft {
namespace {

constexpr int kNormDigits = 20;       ///< y / sqrt(D) has so many in a NormStep
constexpr double kLargestSum = 4e18;  ///< that 64 bits hold, and an eps of the same beside it

}  // namespace

NormStep norm_step(const NormCodes& codes) {
  const auto channels = static_cast<double>(codes.channels);
  const double reach = std::pow(channels, 3) * std::ldexp(1, 2 * codes.x_bits);
  NormStep step;
  while (std::ldexp(reach, -step.variance_shift) > kLargestSum) step.variance_shift += 2;
  const double eps = codes.eps * std::pow(channels, 3) / (codes.x_step * codes.x_step);
  step.eps = std::llround(std::clamp(std::ldexp(eps, -step.variance_shift), 1.0, kLargestSum));
  step.rescale = rescale_by(std::sqrt(channels) / std::ldexp(codes.y_step, kNormDigits));
  return step;
}

}  // namespace normgraft
