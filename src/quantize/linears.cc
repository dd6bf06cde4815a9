#include "linears.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "normgraft/integer/rescale.h"
#include "normgraft/quantize/grid.h"

namespace normgraft {
namespace {

constexpr double kLargestWeight = 127;
constexpr double kLargestSum = 2147483647.0;
constexpr double kLargestBias = 1 << 29;
constexpr double kLeastFactor = 1e-12;  ///< from a weight's step to that of the output
constexpr double kWider = 1.001;

struct WholeWeights {
  Tensor codes;  ///< F64 [out, in]
  Tensor bias;   ///< F64 [out]
  Tensor steps;  ///< F64 [out]
};

/// With these steps for the outputs [out]. `weight` counts in steps of the input.
WholeWeights with_steps(const LinearToMake& linear, const Tensor& weight, const Tensor& bias,
                        const Tensor& steps) {
  const Tensor exact = weight / steps.unsqueeze(1);
  const Tensor codes = linear.blind ? balanced(exact, kLargestWeight) : exact.round();
  const auto zero = static_cast<double>(linear.from.zero);
  Tensor whole = bias / steps - zero * codes.sum(1);
  if (linear.from.floored) whole = whole + codes.slice(1, 1).sum(1) / 2;
  if (linear.mean.defined()) whole = whole + (exact - codes).matmul(linear.mean / linear.from.steps);
  return {codes, whole.round(), steps};
}

/// What the sums of each output can reach [out].
Tensor reach(const LinearToMake& linear, const WholeWeights& weights) {
  return weights.codes.abs().sum(1) * static_cast<double>(-linear.from.least()) + weights.bias.abs();
}

WholeWeights whole_weights(const LinearToMake& linear) {
  const Tensor weight = linear.weight.to(at::kDouble) * linear.from.steps;
  const Tensor bias =
      linear.bias.defined() ? linear.bias.to(at::kDouble) : at::zeros({weight.size(0)}, weight.options());
  const Tensor least = at::maximum(linear.to.steps * kLeastFactor, bias.abs() / kLargestBias);
  Tensor steps = at::maximum(weight.abs().amax(1) / kLargestWeight, least);
  for (;;) {
    const WholeWeights weights = with_steps(linear, weight, bias, steps);
    const Tensor over = reach(linear, weights) / kLargestSum;
    if (over.max().item<double>() <= 1) return weights;
    steps = at::where(over > 1, steps * over * kWider, steps);
  }
}

}  // namespace

void add_linear(ProgramMaker& maker, const LinearToMake& linear) {
  const WholeWeights weights = whole_weights(linear);
  const Tensor factors = (weights.steps / linear.to.steps).contiguous();
  const int64_t outputs = factors.size(0);
  Tensor multipliers = at::zeros({outputs}, at::kInt), shifts = at::zeros({outputs}, at::kChar);
  for (int64_t o = 0; o < outputs; ++o) {
    const Rescale rescale = rescale_by(factors.data_ptr<double>()[o]);
    multipliers.data_ptr<int32_t>()[o] = rescale.multiplier;
    shifts.data_ptr<int8_t>()[o] = static_cast<int8_t>(rescale.shift);
  }
  LinearStep step;
  step.from = linear.from.buffer;
  step.to = linear.to.buffer;
  step.weight = maker.tensor(linear.place + ".weight", weights.codes, 8);
  step.bias = maker.tensor(linear.place + ".bias", weights.bias, 32);
  step.multiplier = maker.tensor(linear.place + ".multiplier", multipliers, 32);
  step.shift = maker.tensor(linear.place + ".shift", shifts, 8);
  step.zero = static_cast<int32_t>(linear.adds ? 0 : linear.to.zero);
  step.adds = linear.adds;
  step.rows = linear.rows;
  step.first_row = linear.first_row;
  maker.step(linear.place, step);
}

}  // namespace normgraft
