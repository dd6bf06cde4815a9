#include "trained_slopes.h"

#include <ATen/ATen.h>

#include "normgraft/network/r_slopes.h"

namespace normgraft {
namespace {

constexpr double kLeastUnit = 1e-6;

}  // namespace

TrainedSlopes::TrainedSlopes(Network& network, size_t site)
    : network_(network),
      site_(site),
      names_(r_slope_tensors(network, site)),
      start_(r_slopes(network, site)),
      change_(at::zeros_like(start_).set_requires_grad(true)) {
  std::vector<Tensor> units;
  int64_t first = 0;
  for (const std::string& name : names_) {
    const Tensor& tensor = network.tensors().at(name);
    const Tensor own = start_.slice(0, first, first + tensor.size(-1));
    units.push_back(own.square().mean().sqrt().clamp_min(kLeastUnit).expand_as(own));
    first += own.numel();
  }
  unit_ = at::cat(units);
}

void TrainedSlopes::place() {
  const at::NoGradGuard no_grad;
  set_r_slopes(network_, site_, start_ + unit_ * change_);
  for (const std::string& name : names_) network_.tensors().at(name).set_requires_grad(true);
}

std::vector<Tensor> TrainedSlopes::leaves() const {
  std::vector<Tensor> leaves;
  for (const std::string& name : names_) leaves.push_back(network_.tensors().at(name));
  return leaves;
}

Tensor TrainedSlopes::gradient(std::span<const Tensor> by_leaves) const {
  std::vector<Tensor> parts;
  for (const Tensor& by : by_leaves) {
    if (!by.defined()) return {};
    parts.push_back(by.dim() == 2 ? by[0] : by);
  }
  return unit_ * at::cat(parts);
}

std::vector<TrainedSlopes> trained_slopes(Network& network, const std::function<bool(size_t site)>& wanted) {
  std::vector<TrainedSlopes> all;
  for (size_t site = 0; site < network.sites().size(); ++site) {
    if (wanted(site) && r_slopes(network, site).defined()) all.emplace_back(network, site);
  }
  return all;
}

}  // namespace normgraft
