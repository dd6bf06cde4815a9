#include "regression.h"

#include <algorithm>
#include <limits>

#include "normgraft/network/kernels.h"

namespace normgraft {
namespace {

constexpr int64_t kRows = 4096;  ///< at a time
constexpr double kDampings[] = {0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100};

}  // namespace

Regression::Regression(WeightedRows fit)
    : rows_(std::move(fit.rows)),
      weight_((fit.weight / fit.weight.sum()).unsqueeze(1)),
      mean_(products_with(at::ones({rows_.size(0), 1})).squeeze(1)) {
  const Tensor products = products_with(rows_) - at::outer(mean_, mean_);
  std::tie(lengths_, axes_) = at::linalg_eigh(products);
  unit_ = std::max(lengths_.mean().item<double>(), 1e-30);
}

/// The weighted sum over rows of row' value: values [R, t] -> [d, t], F64.
Tensor Regression::products_with(const Tensor& values) const {
  Tensor sum = at::zeros({rows_.size(1), values.size(1)}, at::kDouble);
  for (int64_t first = 0; first < rows_.size(0); first += kRows) {
    const auto part = [&](const Tensor& all) {
      return all.slice(0, first, std::min(first + kRows, rows_.size(0)));
    };
    sum += linear(part(rows_).t().contiguous(), (part(values) * part(weight_)).t().contiguous(), Tensor());
  }
  return sum;
}

Tensor Regression::mean_of(const Tensor& targets) const {
  return targets.mul(weight_).sum(0, false, at::kDouble);
}

Tensor Regression::along_axes(const Tensor& targets, const Tensor& mean) const {
  return axes_.t().matmul(products_with(targets) - at::outer(mean_, mean));
}

Line Regression::line(const Tensor& along, const Tensor& mean, double damping) const {
  const Tensor damped = (lengths_.clamp_min(0) + damping * unit_).unsqueeze(1);
  const Tensor slopes = axes_.matmul(along / damped);
  return {slopes.t().to(at::kFloat), (mean - mean_.matmul(slopes)).to(at::kFloat)};
}

Line Regression::with_damping(const Tensor& targets, double damping) const {
  const Tensor mean = mean_of(targets);
  return line(along_axes(targets, mean), mean, damping);
}

Line Regression::chosen_by(const Tensor& targets, const WeightedRows& choose,
                           const Tensor& choose_targets) const {
  const Tensor mean = mean_of(targets), along = along_axes(targets, mean);
  Line best;
  double least = std::numeric_limits<double>::infinity();
  for (const double damping : kDampings) {
    Line tried = line(along, mean, damping);
    const Tensor error = linear(choose.rows, tried.slopes, tried.intercept) - choose_targets;
    const double now =
        error.square().sum(1).mul(choose.weight).sum(at::IntArrayRef{}, false, at::kDouble).item<double>();
    if (!(now < least)) continue;
    least = now;
    best = std::move(tried);
  }
  return best.slopes.defined() ? best : line(along, mean, kDampings[3]);
}

}  // namespace normgraft
