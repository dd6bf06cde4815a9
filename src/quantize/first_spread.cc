#include "first_spread.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "linears.h"
#include "normgraft/integer/rescale.h"
#include "normgraft/network/first_carrier.h"

namespace normgraft {
namespace {

constexpr int kProjectionBits = 16;
constexpr double kMargin = 2;      ///< of projections beyond those that were seen
constexpr int kScaleDigits = 20;   ///< of the largest scale
constexpr int kNumberDigits = 30;  ///< of the largest number
constexpr int kLogDigits = 16;
constexpr double kShare = 1;  ///< of 2^-16, by which the logarithm may err beyond rounding

int exponent_of(double value) {
  int exponent = 0;
  std::frexp(value, &exponent);
  return exponent;
}

Curve log2_curve(ProgramMaker& maker, const std::string& name) {
  CurveTarget target;
  target.exact = [](double code) { return std::ldexp(std::log2(1 + code / 65536), kLogDigits); };
  target.high = 65536;
  target.most = 65536;
  target.knot_bits = 32;
  return maker.curve(name, fit_curve(target, kShare));
}

}  // namespace

void add_first_spread(ProgramMaker& maker, const Tensors& tensors, const StreamCodes& stream,
                      const std::string& place, const Tensor& reach) {
  const Tensor projections = tensors.at(kFirstProjections).to(at::kDouble).clone();
  projections.select(1, 0).zero_();
  const IntegerBuffer whole = maker.program().buffers[static_cast<size_t>(stream.codes.buffer)];
  const double step =
      std::max(kMargin * reach.max().item<double>(), 1e-30) / (std::ldexp(1, kProjectionBits - 1) - 1);
  LinearToMake linear;
  linear.place = place + ".projections";
  linear.weight = projections;
  linear.from = stream.codes;
  linear.to = maker.buffer(linear.place, whole.rows, projections.size(0), kProjectionBits, step);
  linear.rows = whole.rows;
  add_linear(maker, linear);

  // S counts in units of 2^-digits times the step's square.
  const Tensor scales = tensors.at(kFirstScales).to(at::kDouble);
  const int digits = kScaleDigits - exponent_of(std::max(scales.abs().max().item<double>(), 1e-30));
  const double unit = std::ldexp(step * step, -digits);
  const Tensor numbers = tensors.at(kFirstNumbers).to(at::kDouble) / unit;
  const double largest = std::max(numbers.abs().max().item<double>(), 1.0);
  FirstSpreadStep made;
  made.from = linear.to.buffer;
  made.to = stream.codes.buffer;
  made.scale = maker.tensor(place + ".scales", (scales * std::ldexp(1, digits)).round(), 32);
  made.number_shift = std::max(0, exponent_of(largest) - kNumberDigits);
  made.number = maker.tensor(place + ".numbers", (numbers * std::ldexp(1, -made.number_shift)).round(), 32);
  made.log2 = log2_curve(maker, "log2");
  const double half_log2 = std::log(2.0) / 2 / stream.told_step;  // r = log(S) / 2, in codes
  made.rescale = rescale_by(std::ldexp(half_log2, -kLogDigits));
  made.zero = static_cast<int32_t>(std::lround(std::log2(unit) * half_log2) + stream.told_zero);
  maker.step(place, made);
}

}  // namespace normgraft
