#include "normgraft/vit/sinks.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "kernels.h"
#include "normgraft/core/error.h"

namespace normgraft {
namespace {

constexpr int64_t kPictures = 8;        ///< a forward pass
constexpr double kSinkSpread = 6;       ///< of a sink over channels, in medians, at least
constexpr double kLeastSinks = 0.5;     ///< a picture
constexpr double kUnitContrast = 50;    ///< of a sink's unit to its root mean square elsewhere, at least
constexpr double kThreshold = 0.2;      ///< of the median sink's unit
constexpr double kMostWrong = 1e-3;     ///< share of tokens on the wrong side of the threshold
constexpr double kStep = 2;             ///< between the thresholds of the two carriers
constexpr double kOffset = 4;           ///< in largest |x| of the tokens on which the unit is off

struct MlpNames {
  std::string fc1, fc2;
  explicit MlpNames(int64_t block) : fc1(fmt::format("blocks.{}.mlp.fc1", block)), fc2(fmt::format("blocks.{}.mlp.fc2", block)) {}
};

/// What some pictures leave at every norm site: [B * N].
struct Spreads {
  std::vector<torch::Tensor> largest;  ///< |x| of each token
  std::vector<torch::Tensor> sinks;    ///< bool
};

Spreads measure_spreads(const Vit& vit, const torch::Tensor& images) {
  std::vector<std::vector<torch::Tensor>> spread(vit.sites().size()), largest(spread.size());
  for (const torch::Tensor& chunk : images.split(kPictures)) {
    vit.forward(chunk, [&](size_t site, const torch::Tensor& x, const torch::Tensor&) {
      spread[site].push_back(x.std(-1, /*unbiased=*/false).flatten());
      largest[site].push_back(x.abs().amax(-1).flatten());
    });
  }
  Spreads all;
  for (size_t site = 0; site < spread.size(); ++site) {
    const torch::Tensor deviation = torch::cat(spread[site]);
    all.largest.push_back(torch::cat(largest[site]));
    all.sinks.push_back(deviation > kSinkSpread * deviation.median());
  }
  return all;
}

/// What the hidden units of an MLP are given: [B * N, hidden].
torch::Tensor hidden_inputs(const Vit& vit, size_t norm2, const std::string& fc1, const torch::Tensor& images) {
  const Tensors& tensors = vit.tensors();
  const std::string& norm = vit.sites()[norm2].name;
  std::vector<torch::Tensor> all;
  for (const torch::Tensor& chunk : images.split(kPictures)) {
    vit.forward(chunk, [&](size_t site, const torch::Tensor&, const torch::Tensor& y) {
      if (site != norm2) return;
      const torch::Tensor in = torch::addcmul(tensors.at(norm + ".bias"), y, tensors.at(norm + ".weight"));
      all.push_back(linear(in, tensors.at(fc1 + ".weight"), tensors.at(fc1 + ".bias")).flatten(0, 1));
    });
  }
  return torch::cat(all);
}

/// The largest |x| from a site on of some tokens; 0 where there are none.
double largest_of(const torch::Tensor& tokens, const Spreads& seen, size_t first_site) {
  double largest = 0;
  if (!tokens.any().item<bool>()) return largest;
  for (size_t site = first_site; site < seen.largest.size() && seen.largest[site].sizes() == tokens.sizes(); ++site) {
    largest = std::max(largest, seen.largest[site].index({tokens}).max().item<double>());
  }
  return largest;
}

/// The unit that is on for sinks only, with its threshold and carriers; nothing where there is none.
std::optional<SinkLift> find_unit(const Vit& vit, const MlpNames& names, const torch::Tensor& inputs, const torch::Tensor& sinks) {
  const torch::Tensor hidden = activate(vit.config().activation, inputs);
  const torch::Tensor others = sinks.logical_not();
  const torch::Tensor elsewhere = hidden.index({others}).square().mean(0).sqrt().clamp_min(1e-12);
  const torch::Tensor contrast = hidden.index({sinks}).mean(0) / elsewhere;
  SinkLift lift;
  lift.unit = contrast.argmax().item<int64_t>();
  const torch::Tensor input = inputs.select(1, lift.unit);
  lift.threshold = kThreshold * input.index({sinks}).median().item<double>();
  const double wrong = (input > lift.threshold).ne(sinks).to(torch::kFloat64).mean().item<double>();
  if (contrast[lift.unit].item<double>() < kUnitContrast || lift.threshold <= kStep || wrong > kMostWrong) return {};

  const torch::Tensor effect = hidden.var(0) * vit.tensors().at(names.fc2 + ".weight").square().sum(0);
  const torch::Tensor least = effect.argsort();
  for (size_t i = 0; i < lift.carriers.size(); ++i) {
    const auto unit = least[static_cast<int64_t>(i)].item<int64_t>();
    lift.carriers[i] = {unit, hidden.select(1, unit).mean().item<double>()};
  }
  return lift;
}

}  // namespace

std::optional<SinkLift> find_sinks(const Vit& vit, const torch::Tensor& images) {
  const torch::NoGradGuard no_grad;
  const Spreads seen = measure_spreads(vit, images);
  for (int64_t block = 0; block < vit.config().depth; ++block) {
    const MlpNames names(block);
    const auto norm2 = std::find_if(vit.sites().begin(), vit.sites().end(), [&](const NormSite& s) { return s.next_linear == names.fc1; });
    const auto site = static_cast<size_t>(norm2 - vit.sites().begin());
    if (site + 1 >= seen.sinks.size() || seen.sinks[site].sizes() != seen.sinks[site + 1].sizes()) continue;
    const torch::Tensor sinks = seen.sinks[site + 1].logical_and(seen.sinks[site].logical_not());
    if (sinks.sum().item<double>() < kLeastSinks * static_cast<double>(images.size(0))) continue;
    const torch::Tensor inputs = hidden_inputs(vit, site, names.fc1, images);
    auto lift = find_unit(vit, names, inputs, sinks);
    if (!lift) continue;
    lift->block = block;
    lift->offset = kOffset * largest_of(inputs.select(1, lift->unit) <= 0, seen, site + 1);
    if (lift->offset > 0) return lift;
  }
  return {};
}

void lift_sinks(Vit& vit, const SinkLift& lift) {
  const torch::NoGradGuard no_grad;
  const MlpNames names(lift.block);
  Tensors& tensors = vit.tensors();
  if (!tensors.contains(names.fc1 + ".weight")) {
    throw InputError(fmt::format("sinks: the model has no block {}, expected 0 to {}", lift.block, vit.config().depth - 1));
  }
  const int64_t hidden = tensors.at(names.fc1 + ".weight").size(0);
  const auto check = [&](int64_t unit) {
    if (unit < 0 || unit >= hidden) throw InputError(fmt::format("sinks: no hidden unit {} in {}, expected 0 to {}", unit, names.fc1, hidden - 1));
  };
  check(lift.unit);
  for (const auto& carrier : lift.carriers) check(carrier.unit);

  torch::Tensor weight1 = tensors.at(names.fc1 + ".weight").clone(), bias1 = tensors.at(names.fc1 + ".bias").clone();
  torch::Tensor weight2 = tensors.at(names.fc2 + ".weight").clone(), bias2 = tensors.at(names.fc2 + ".bias").clone();
  double sign = 1, threshold = lift.threshold;
  for (const SinkLift::Carrier& carrier : lift.carriers) {
    bias2 += carrier.mean * weight2.select(1, carrier.unit);
    weight1[carrier.unit].copy_(weight1[lift.unit]);
    bias1[carrier.unit].copy_(bias1[lift.unit] - threshold);
    weight2.select(1, carrier.unit).fill_(sign * lift.offset / kStep);
    threshold += kStep;
    sign = -sign;
  }
  tensors.at(names.fc1 + ".weight") = weight1;
  tensors.at(names.fc1 + ".bias") = bias1;
  tensors.at(names.fc2 + ".weight") = weight2;
  tensors.at(names.fc2 + ".bias") = bias2;
}

}  // namespace normgraft
