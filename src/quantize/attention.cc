#include "attention.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "normgraft/integer/rescale.h"

namespace normgraft {
namespace {

constexpr double kLargestCode = 127;
constexpr double kLargestMagnitude = 128, kLargestSum = 2147483647;
constexpr double kSmallest = 1e-6;       ///< magnitude that a channel is taken to reach
constexpr double kShare = 0.015;         ///< of a step, by which a curve may err beyond rounding
constexpr double kWideShare = 1;         ///< where a step is 2^-15
constexpr int64_t kMostCodes = 1 << 20;  ///< that the exponential is asked for
constexpr int kReciprocalDigits = 15;

/// Of so many rows, whose sum with values of 8 bits fits 32 bits.
Curve exponential(ProgramMaker& maker, const std::string& name, double per_code, int bits, int64_t rows) {
  CurveTarget target;
  target.most = std::min(std::ldexp(1, bits) - 1,
                         std::floor(kLargestSum / (kLargestMagnitude * static_cast<double>(rows))));
  target.exact = [&](double code) { return target.most * std::exp(-code * per_code); };
  const double end = std::log(4 * target.most) / per_code;  // a quarter of a step is none
  target.high = std::max<int64_t>(1, std::llround(std::min(std::ceil(end), static_cast<double>(kMostCodes))));
  target.fraction = bits == 8 ? 7 : 0;
  return maker.curve(name, fit_curve(target, bits == 8 ? kShare : kWideShare));
}

Curve reciprocal(ProgramMaker& maker, const std::string& name) {
  CurveTarget target;
  target.exact = [](double code) { return std::ldexp(1, kReciprocalDigits) / (1 + code / 65536); };
  target.high = 65536;
  target.most = std::ldexp(1, kReciprocalDigits);
  target.fraction = 8;
  target.knot_bits = 32;
  return maker.curve(name, fit_curve(target, kShare));
}

}  // namespace

AttentionSteps attention_steps(const AttentionReach& reach, int attended_bits) {
  const Tensor q = reach.query.clamp_min(kSmallest), k = reach.key.clamp_min(kSmallest);
  const Tensor v = reach.value.clamp_min(kSmallest), o = reach.attended.clamp_min(kSmallest);
  AttentionSteps steps;
  const Tensor products = q * k;
  steps.score = products.max().item<double>() / (kLargestCode * kLargestCode);
  const Tensor wider = (products.max() / products).sqrt();
  const Tensor value_steps = v / kLargestCode;
  const double largest = std::ldexp(1, attended_bits - 1) - 1;
  steps.ratio = (o / largest / value_steps).max().item<double>();
  steps.qkv = at::cat({q * wider / kLargestCode, k * wider / kLargestCode, value_steps});
  steps.attended = value_steps * steps.ratio;
  return steps;
}

void add_attention(ProgramMaker& maker, const std::string& place, const Codes& qkv, const Codes& attended,
                   const AttentionSteps& steps, int64_t heads, int exp_bits) {
  const double width = static_cast<double>(attended.steps.size(0)) / static_cast<double>(heads);
  AttentionStep step;
  step.from = qkv.buffer;
  step.to = attended.buffer;
  step.heads = heads;
  step.exp = exponential(maker, place + ".exp", steps.score / std::sqrt(width), exp_bits,
                         maker.program().buffers[static_cast<size_t>(qkv.buffer)].rows);
  step.exp_bits = exp_bits;
  step.reciprocal = reciprocal(maker, "reciprocal");
  step.rescale = rescale_by(1 / std::ldexp(steps.ratio, kReciprocalDigits));
  maker.step(place, step);
}

}  // namespace normgraft
