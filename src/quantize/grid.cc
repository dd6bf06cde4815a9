#include "normgraft/quantize/grid.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace normgraft {
namespace {

constexpr double kSmallestStep = 1e-30;

int64_t largest_of(int bits) {
  return (int64_t{1} << (bits - 1)) - 1;
}

/// The step of each output channel [out, 1].
Tensor steps_of(const Tensor& rows, int bits) {
  return (rows.abs().amax(1, true) / static_cast<double>(largest_of(bits))).clamp_min(kSmallestStep);
}

/// One row of whole numbers, and what each was before it was rounded: moved so that they sum to 0.
void balance(double* rounded, const double* exact, int64_t count, double largest) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += rounded[i];
  const double move = sum > 0 ? -1 : 1;
  std::vector<int64_t> order(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) order[static_cast<size_t>(i)] = i;
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return move * (exact[a] - rounded[a]) > move * (exact[b] - rounded[b]);
  });
  for (size_t i = 0; sum != 0 && i < order.size(); ++i) {
    double& value = rounded[order[i]];
    if (std::abs(value + move) > largest) continue;
    value += move;
    sum += move;
  }
}

}  // namespace

IntegerGrid grid_between(double low, double high, int bits) {
  const auto intervals = static_cast<double>((int64_t{1} << bits) - 1);
  IntegerGrid grid;
  grid.bits = bits;
  grid.step = std::max((high - low) / intervals, kSmallestStep);
  grid.least = std::llround(low / grid.step);
  return grid;
}

IntegerGrid symmetric_grid(double reach, int bits) {
  const int64_t largest = largest_of(bits);
  return {std::max(reach / static_cast<double>(largest), kSmallestStep), -largest - 1, bits};
}

Tensor on_grid(const IntegerGrid& grid, const Tensor& x) {
  const auto least = static_cast<double>(grid.least);
  const double most = least + static_cast<double>((int64_t{1} << grid.bits) - 1);
  return (x / grid.step).round_().clamp_(least, most).mul_(grid.step);
}

Tensor weight_on_grids(const Tensor& weight, int bits) {
  const Tensor rows = weight.flatten(1);
  const Tensor steps = steps_of(rows, bits);
  return ((rows / steps).round_() * steps).view_as(weight);
}

Tensor balanced(const Tensor& exact, double largest) {
  const Tensor from = exact.contiguous();
  Tensor rounded = from.round();
  const int64_t inputs = from.size(1);
  for (int64_t row = 0; row < from.size(0); ++row) {
    balance(rounded.data_ptr<double>() + row * inputs, from.data_ptr<double>() + row * inputs, inputs,
            largest);
  }
  return rounded;
}

Tensor blind_weight_on_grids(const Tensor& weight, int bits) {
  const Tensor steps = steps_of(weight, bits).to(at::kDouble);
  const Tensor rounded = balanced(weight.to(at::kDouble) / steps, static_cast<double>(largest_of(bits)));
  return (rounded * steps).to(at::kFloat);
}

}  // namespace normgraft
