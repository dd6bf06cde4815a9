#include "normgraft/network/first_carrier.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "normgraft/core/error.h"
#include "normgraft/network/batches.h"
#include "normgraft/network/kernels.h"
#include "normgraft/network/stream.h"
#include "token_rows.h"

namespace normgraft {
namespace {

constexpr int64_t kSquares = 32;       ///< at most; of D / 4
constexpr double kLeastSquare = 1e-6;  ///< that a logarithm is taken of

/// The directions [K, D] along which x [R, D] is longest.
Tensor longest_directions(const Tensor& x, int64_t count) {
  const Tensor products = linear(x.t().contiguous(), x.t().contiguous(), Tensor()).to(at::kDouble);
  const Tensor axes = std::get<1>(at::linalg_eigh(products));  // by rising length
  return axes.slice(1, axes.size(1) - count).t().flip(0).contiguous().to(at::kFloat);
}

Tensor squares(const Tensor& projections, const Tensor& x) {
  return linear(x, projections, Tensor()).square();
}

void check_tensor(const Tensors& carrier, const char* name, at::IntArrayRef shape) {
  const Tensor tensor = find_tensor(carrier, name);
  if (!tensor.defined()) throw InputError(fmt::format("tensor \"{}\" is missing", name));
  if (tensor.sizes() != shape) {
    throw InputError(fmt::format("tensor \"{}\" has shape [{}], expected [{}]", name,
                                 fmt::join(tensor.sizes(), ", "), fmt::join(shape, ", ")));
  }
  if (!at::isfinite(tensor).all().item<bool>()) {
    throw InputError(fmt::format("tensor \"{}\" holds a value that is not finite", name));
  }
}

}  // namespace

Tensors take_first_carrier(Tensors& checkpoint) {
  Tensors taken;
  for (const char* name : {kFirstProjections, kFirstScales, kFirstNumbers}) {
    auto found = checkpoint.extract(name);
    if (!found.empty()) taken.insert(std::move(found));
  }
  return taken;
}

void set_first_carrier(Network& network, const Tensors& carrier) {
  const Site& site = network.sites().front();
  const bool told = site.carried.channel && site.carried.low < site.carried.high;
  if (carrier.empty() && !told) return;
  if (!site.carried.channel) {
    throw InputError(fmt::format("tensor \"{}\": no channel carries the spread at norm site \"{}\"",
                                 carrier.begin()->first, site.name));
  }
  const Tensor projections = find_tensor(carrier, kFirstProjections);
  const int64_t count = projections.defined() && projections.dim() > 0 ? projections.size(0) : 0;
  check_tensor(carrier, kFirstProjections, {count, site.channels});
  check_tensor(carrier, kFirstScales, {count});
  check_tensor(carrier, kFirstNumbers, {site.tokens});
  for (const auto& [name, tensor] : carrier) network.tensors()[name] = tensor.to(at::kFloat).contiguous();
}

bool tells_first_spread(const Tensors& tensors) {
  return tensors.contains(kFirstProjections);
}

Tensor with_first_carrier(const Tensors& tensors, const Tensor& x) {
  const Tensor square =
      squares(tensors.at(kFirstProjections), x).matmul(tensors.at(kFirstScales)) + tensors.at(kFirstNumbers);
  const Tensor told = square.clamp_min(kLeastSquare).log() / 2;
  return at::cat({x.slice(-1, 0, 1) + told.unsqueeze(-1), x.slice(-1, 1)}, -1);
}

void tell_first_spread(Network& network, const WalkImages& images, const CarrierOptions& options) {
  const at::NoGradGuard no_grad;
  const Site& site = network.sites().front();
  const SiteCosts costs = options.costs.empty() ? SiteCosts{} : options.costs.front();
  const Tensor x =
      over_pictures(images.fit, [&](const Tensor& some) { return without_carrier(network.enter(some)); });
  const Tensor s = spread(site, x);
  const Tensor squared = s.square();

  const TokenRows tokens(x.size(0), x.size(1), network.architecture().prefix_tokens(), 0);
  const Tensor weight = tokens.weights(costs.scale, x.size(0), squared);
  const Tensor projections = longest_directions(tokens.rows((x - x.mean(0, true)) / s.unsqueeze(-1)),
                                                std::min(kSquares, site.channels / 4));

  // Each token has a number of its own, so the squares count by how they differ at the same token.
  const Tensor inputs = squares(projections, x), targets = squared.unsqueeze(-1);
  const Tensor by_token = squared.square().reciprocal();  // [B, N] errors of s^2 are relative
  const auto mean_of = [&](const Tensor& values) {
    const Tensor w = by_token.unsqueeze(-1);
    return (values * w).sum(0, true) / w.sum(0, true);  // [1, N, d]
  };
  const Tensor inputs_mean = mean_of(inputs), targets_mean = mean_of(targets);
  const Regression regression({tokens.rows(inputs - inputs_mean), weight});
  const Line line = regression.with_damping(tokens.rows(targets - targets_mean), options.damping * 1e-3);
  const Tensor scales = line.slopes.squeeze(0);
  const Tensor numbers = (targets_mean.squeeze(-1) - inputs_mean.matmul(scales)).squeeze(0);

  Tensors& tensors = network.tensors();
  tensors[kFirstProjections] = projections;
  tensors[kFirstScales] = scales;
  tensors[kFirstNumbers] = numbers;
  network.set_carried(0, with_range(site.carried, s.log()));
}

}  // namespace normgraft
