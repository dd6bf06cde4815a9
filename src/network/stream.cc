#include "normgraft/network/stream.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "normgraft/core/error.h"
#include "normgraft/network/first_carrier.h"

namespace normgraft {
namespace {

/// Takes the mean out of dimension `dim`, which holds the channels, where the tensor is there.
void subtract_mean(Tensors& tensors, const std::string& name, int64_t dim) {
  const auto found = tensors.find(name);
  if (found != tensors.end()) found->second = found->second - found->second.mean(dim, true);
}

void centre_writer(Tensors& tensors, const Writer& writer) {
  const Tensor scale = find_tensor(tensors, writer.scale);
  if (scale.defined()) {
    Tensor& weight = tensors.at(writer.linear.weight);
    weight = weight * scale.unsqueeze(1);
    const auto bias = tensors.find(writer.linear.bias);
    if (bias != tensors.end()) bias->second = bias->second * scale;
    tensors[writer.scale] = at::ones_like(scale);
  }
  subtract_mean(tensors, writer.linear.weight, 0);
  subtract_mean(tensors, writer.linear.bias, 0);
}

/// The reflection of R^D that takes the direction of all ones to channel 0, along `axis` [D] of length 1.
class Reflection {
 public:
  explicit Reflection(int64_t channels) : axis_(at::full({channels}, 1 / std::sqrt(channels), at::kDouble)) {
    axis_[0] -= 1;
    axis_ = axis_ / axis_.norm();
  }

  /// Turns the dimension that holds the channels.
  void turn(Tensors& tensors, const std::string& name, int64_t dim) const {
    const auto found = tensors.find(name);
    if (found == tensors.end()) return;
    const Tensor rows = found->second.to(at::kDouble).movedim(dim, -1);
    const Tensor turned = rows - 2 * rows.matmul(axis_).unsqueeze(-1) * axis_;
    found->second = turned.movedim(-1, dim).contiguous().to(at::kFloat);
  }

 private:
  Tensor axis_;
};

/// Of a tensor that is added to every token of the stream (Architecture::embedding_tensors).
int64_t channel_dimension(const std::string& name) {
  return name.ends_with(".weight") || name.ends_with(".bias") ? 0 : -1;
}

}  // namespace

Tensor without_mean(const Tensor& x) {
  return x - x.mean(-1, true);
}

Tensor without_carrier(const Tensor& x) {
  return at::constant_pad_nd(x.slice(-1, 1), {1, 0});
}

bool hides_mean(const Network& network) {
  const auto& sites = network.sites();
  return std::all_of(sites.begin(), sites.end(), [](const Site& site) {
    return site.kind == NormKind::kLayerNorm && site.trunk == Trunk::kInput && site.additive;
  });
}

void centre_stream(Network& network) {
  const at::NoGradGuard no_grad;
  Tensors& tensors = network.tensors();
  for (const std::string& name : network.architecture().embedding_tensors()) {
    subtract_mean(tensors, name, channel_dimension(name));
  }
  for (const Site& site : network.sites()) {
    if (site.writer) centre_writer(tensors, *site.writer);
  }
}

void fold_norm(Network& network, size_t site, bool blind) {
  const at::NoGradGuard no_grad;
  const Site& norm = network.sites()[site];
  if (norm.readers.empty()) {
    throw InputError(fmt::format("cannot fold norm site \"{}\": no Linear reads it alone", norm.name));
  }
  Tensors& tensors = network.tensors();
  Tensor& gamma = tensors.at(norm.gamma);
  const auto beta = tensors.find(norm.beta);
  for (const LinearNames& reader : norm.readers) {
    Tensor& weight = tensors.at(reader.weight);
    if (beta != tensors.end()) {
      const Tensor shift = weight.matmul(beta->second);
      const auto bias = tensors.find(reader.bias);
      if (bias == tensors.end()) {
        tensors.emplace(reader.bias, shift);
      } else {
        bias->second = bias->second + shift;
      }
    }
    weight = weight * gamma;
    if (blind) weight = without_mean(weight);
  }
  gamma = at::ones_like(gamma);
  if (beta != tensors.end()) beta->second = at::zeros_like(beta->second);
  if (blind) {
    Carried carried = norm.carried;
    carried.blind = true;
    network.set_carried(site, carried);
  }
}

void blind_to_mean(Network& network) {
  for (size_t site = 0; site < network.sites().size(); ++site) {
    if (!network.sites()[site].readers.empty()) fold_norm(network, site, /*blind=*/true);
  }
}

bool can_free_channel(const Network& network) {
  const auto& sites = network.sites();
  return hides_mean(network) && network.architecture().embedding_turns() &&
         std::all_of(sites.begin(), sites.end(), [](const Site& site) { return !site.readers.empty(); });
}

void free_channel(Network& network) {
  const at::NoGradGuard no_grad;
  centre_stream(network);
  for (size_t site = 0; site < network.sites().size(); ++site) fold_norm(network, site, /*blind=*/true);
  const Reflection reflection(network.sites().front().channels);
  Tensors& tensors = network.tensors();
  for (const std::string& name : network.architecture().embedding_tensors()) {
    reflection.turn(tensors, name, channel_dimension(name));
  }
  for (size_t site = 0; site < network.sites().size(); ++site) {
    const Site& norm = network.sites()[site];
    for (const LinearNames& reader : norm.readers) {
      reflection.turn(tensors, reader.weight, 1);
      tensors.at(reader.weight).select(1, 0).zero_();
    }
    if (norm.writer) {
      reflection.turn(tensors, norm.writer->linear.weight, 0);
      reflection.turn(tensors, norm.writer->linear.bias, 0);
    }
    network.set_carried(site, {.channel = true});
  }
}

void scale_channels(Network& network, const Tensor& scale) {
  const at::NoGradGuard no_grad;
  Tensors& tensors = network.tensors();
  const auto multiply = [&](const std::string& name, int64_t dim, const Tensor& by) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) return;
    found->second =
        (found->second.to(at::kDouble).movedim(dim, -1) * by).movedim(-1, dim).contiguous().to(at::kFloat);
  };
  const Tensor inverse = 1 / scale;
  for (const std::string& name : network.architecture().embedding_tensors())
    multiply(name, channel_dimension(name), inverse);
  multiply(kFirstProjections, 1, scale);
  for (const Site& site : network.sites()) {
    for (const LinearNames& reader : site.readers) multiply(reader.weight, 1, scale);
    if (!site.writer) continue;
    multiply(site.writer->linear.weight, 0, inverse);
    multiply(site.writer->linear.bias, 0, inverse);
  }
}

}  // namespace normgraft
