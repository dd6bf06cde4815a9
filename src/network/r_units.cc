#include "normgraft/network/r_units.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "normgraft/core/error.h"
#include "normgraft/network/first_carrier.h"

namespace normgraft {
namespace {

constexpr int64_t kHiddenForOne = 48;

Tensor with_zeros(const Tensor& tensor, int64_t dimension, int64_t count) {
  std::vector<int64_t> shape = tensor.sizes().vec();
  shape[static_cast<size_t>(dimension)] = count;
  return at::cat({tensor, at::zeros(shape)}, dimension);
}

}  // namespace

void add_r_units(Network& network, int64_t units) {
  if (units == 0) return;
  const at::NoGradGuard no_grad;
  Tensors& tensors = network.tensors();
  for (size_t site = 0; site < network.sites().size(); ++site) {
    const auto& writer = network.sites()[site].writer;
    if (!writer || !writer->hidden) continue;
    const LinearNames& first = writer->hidden->linear;
    Tensor& weight = tensors.at(first.weight);
    Tensor& bias = tensors[first.bias];
    if (!bias.defined()) bias = at::zeros({weight.size(0)});
    weight = with_zeros(weight, 0, units);
    bias = with_zeros(bias, 0, units);
    Tensor& second = tensors.at(writer->linear.weight);
    second = with_zeros(second, 1, units);
    Carried carried = network.sites()[site].carried;
    carried.units += units;
    network.set_carried(site, carried);
  }
}

int64_t default_r_units(const Network& network) {
  int64_t hidden = 0;
  for (const Site& site : network.sites()) {
    if (!site.writer || !site.writer->hidden) continue;
    hidden = std::max(hidden, network.tensors().at(site.writer->linear.weight).size(1));
  }
  return (hidden + kHiddenForOne - 1) / kHiddenForOne;
}

int64_t check_r_units(const Network& network) {
  int64_t all = 0;
  for (const Site& site : network.sites()) {
    const int64_t units = site.carried.units;
    if (units == 0) continue;
    const auto fail = [&](const std::string& what) {
      throw InputError(
          fmt::format("norm site \"{}\": {} hidden units of r are named, {}", site.name, units, what));
    };
    if (!site.carried.channel) fail("expected a channel that carries r");
    if (!site.writer || !site.writer->hidden) fail("expected a writer with hidden units");
    const int64_t hidden = network.tensors().at(site.writer->linear.weight).size(1);
    if (units < 0 || units >= hidden) fail(fmt::format("expected fewer than {}", hidden));
    all += units;
  }
  return all;
}

void check_r_units_are_its_own(const Network& network) {
  for (const Site& site : network.sites()) {
    if (site.carried.units == 0) continue;
    const std::string& name = site.writer->linear.weight;
    const Tensor& weight = network.tensors().at(name);
    if (!weight.slice(0, 1).slice(1, weight.size(1) - site.carried.units).any().item<bool>()) continue;
    throw InputError(fmt::format(
        "norm site \"{}\": tensor \"{}\" lets others read the hidden units of r, expected r alone", site.name,
        name));
  }
}

double telling_ops(const Network& network) {
  double ops = 0;
  for (const Site& site : network.sites()) {
    ops += 4.0 * static_cast<double>(site.carried.units * site.channels * site.tokens);
  }
  if (!tells_first_spread(network.tensors())) return ops;
  const Site& first = network.sites().front();
  const int64_t squares = network.tensors().at(kFirstScales).numel();
  return ops + static_cast<double>(squares * (2 * first.channels + 3) * first.tokens);
}

}  // namespace normgraft
