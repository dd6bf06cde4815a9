#include "class_metric.h"

#include <ATen/ATen.h>

#include <vector>

namespace normgraft {
namespace {

constexpr double kLeast = 1e-4;  ///< of the largest eigenvalue

}  // namespace

Tensor class_metric(const Network& network) {
  const Site& last = network.sites().back();
  if (last.readers.empty() || network.architecture().tokens_read() == 0) return {};
  std::vector<Tensor> weights;
  for (const LinearNames& reader : last.readers) {
    weights.push_back(network.tensors().at(reader.weight).to(at::kDouble));
  }
  const Tensor rows = at::cat(weights) * network.tensors().at(last.gamma).to(at::kDouble);
  const Tensor differences = rows - rows.mean(0, true);
  const auto [lengths, axes] = at::linalg_eigh(differences.t().matmul(differences));
  const Tensor longest = lengths.max();
  if (!(longest.item<double>() > 0)) return {};
  return (axes / at::maximum(lengths / longest, at::full({}, kLeast, at::kDouble))).to(at::kFloat);
}

}  // namespace normgraft
