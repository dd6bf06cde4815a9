#include "normgraft/network/r_slopes.h"

#include <ATen/ATen.h>

#include "normgraft/network/first_carrier.h"

namespace normgraft {
namespace {

bool told_by_writer(const Site& site) {
  return site.carried.channel && site.carried.low < site.carried.high && site.writer.has_value();
}

}  // namespace

std::vector<std::string> r_slope_tensors(const Network& network, size_t site) {
  const Site& norm = network.sites()[site];
  if (told_by_writer(norm)) return {norm.writer->linear.weight};
  if (site > 0 || !tells_first_spread(network.tensors())) return {};
  return {kFirstScales, kFirstNumbers};
}

Tensor r_slopes(const Network& network, size_t site) {
  std::vector<Tensor> parts;
  for (const std::string& name : r_slope_tensors(network, site)) {
    const Tensor tensor = network.tensors().at(name).detach();
    parts.push_back(tensor.dim() == 2 ? tensor[0] : tensor);
  }
  return parts.empty() ? Tensor() : at::cat(parts);
}

void set_r_slopes(Network& network, size_t site, const Tensor& slopes) {
  const Site& norm = network.sites()[site];
  Tensors& tensors = network.tensors();
  if (told_by_writer(norm)) {
    Tensor& weight = tensors.at(norm.writer->linear.weight);
    weight = at::cat({slopes.unsqueeze(0), weight.slice(0, 1)});
    return;
  }
  const int64_t scales = tensors.at(kFirstScales).numel();
  tensors.at(kFirstScales) = slopes.slice(0, 0, scales).clone();
  tensors.at(kFirstNumbers) = slopes.slice(0, scales).clone();
}

}  // namespace normgraft
