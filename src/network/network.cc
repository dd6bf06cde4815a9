#include "normgraft/network/network.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "normgraft/core/error.h"
#include "normgraft/network/batches.h"
#include "normgraft/network/first_carrier.h"
#include "normgraft/network/stream.h"

namespace normgraft {
namespace {

/// Scales the kept pictures' branches so that the expectation stays.
Tensor drop_pictures(const Tensor& branch, double probability) {
  if (probability <= 0) return branch;
  const double keep = 1 - probability;
  Tensor mask = at::empty({branch.size(0), 1, 1}, branch.options()).bernoulli_(keep);
  return branch * mask.div_(keep);
}

void check_tensors(const Tensors& tensors, const std::vector<Site>& sites) {
  for (const auto& [name, tensor] : tensors) {
    if (!at::isfinite(tensor).all().item<bool>()) {
      throw InputError(fmt::format("tensor \"{}\" holds a value that is not finite", name));
    }
  }
  for (const Site& site : sites) {
    std::vector<std::string> needed = {site.gamma};
    for (const LinearNames& reader : site.readers) needed.push_back(reader.weight);
    if (site.writer) needed.push_back(site.writer->linear.weight);
    for (const std::string& name : needed) {
      if (!tensors.contains(name)) {
        throw InputError(fmt::format("norm site \"{}\": tensor \"{}\" is missing", site.name, name));
      }
    }
  }
}

}  // namespace

Tensor normalise(NormKind kind, const Tensor& x, double eps) {
  switch (kind) {
    case NormKind::kRmsNorm:
      return x * (x.square().mean(-1, true) + eps).rsqrt();
    case NormKind::kLayerNorm:
      break;
  }
  return at::layer_norm(x, {x.size(-1)}, {}, {}, eps);
}

Tensor normalise(const Site& site, const Tensor& x) {
  if (!site.carried.channel) return normalise(site.kind, x, site.eps);
  const Tensor own = without_carrier(x);
  return own * (own.square().mean(-1, true) + site.eps).rsqrt();
}

Tensor spread(const Site& site, const Tensor& x) {
  Tensor own = x;
  if (site.carried.channel) {
    own = without_carrier(x);
  } else if (site.kind == NormKind::kLayerNorm) {
    own = without_mean(x);
  }
  return (own.square().mean(-1) + site.eps).sqrt();
}

Network::Network(std::shared_ptr<const Architecture> architecture, Preprocessing preprocessing,
                 Tensors tensors)
    : architecture_(std::move(architecture)),
      preprocessing_(std::move(preprocessing)),
      tensors_(std::move(tensors)),
      sites_(architecture_->sites()),
      normalizers_(sites_.size()) {
  for (auto& [name, tensor] : tensors_) tensor = tensor.to(at::kFloat).contiguous();
  check_tensors(tensors_, sites_);
}

size_t Network::site_named(const std::string& name) const {
  std::vector<std::string> names;
  for (size_t i = 0; i < sites_.size(); ++i) {
    if (sites_[i].name == name) return i;
    names.push_back(sites_[i].name);
  }
  throw InputError(
      fmt::format("norm site \"{}\" is not in the model, expected one of {}", name, fmt::join(names, ", ")));
}

int64_t Network::parameter_count() const {
  int64_t count = 0;
  for (const auto& [name, tensor] : tensors_) count += tensor.numel();
  return count;
}

void Network::set_normalizer(size_t site, Normalizer normalizer) {
  normalizers_.at(site) = std::move(normalizer);
}

Tensor Network::normalised(size_t index, const Tensor& x, const Observer& observer) const {
  const Site& site = sites_[index];
  const Tensor gamma = tensors_.at(site.gamma), beta = find_tensor(tensors_, site.beta);
  const Normalizer& normalizer = normalizers_[index];
  if (!normalizer && !observer && site.kind == NormKind::kLayerNorm && !site.carried.channel) {
    return at::layer_norm(x, {site.channels}, gamma, beta, site.eps);
  }
  const Tensor y = normalizer ? normalizer(x) : normalise(site, x);
  if (observer) observer(index, x, y);
  return beta.defined() ? at::addcmul(beta, y, gamma) : y * gamma;
}

Tensor Network::keep_stream(size_t index, const Tensor& x) const {
  if (!arithmetic_) return x;
  const Site& site = sites_[index];
  if (!site.carried.channel) return arithmetic_->kept(Kept::kStream, site.name, x);
  return at::cat({arithmetic_->kept(Kept::kTold, site.name + ".r", x.slice(-1, 0, 1)),
                  arithmetic_->kept(Kept::kStream, site.name, x.slice(-1, 1))},
                 -1);
}

Tensor Network::enter(const Tensor& images) const {
  const Tensor x = architecture_->embed(operations(), images);
  return keep_stream(0, tells_first_spread(tensors_) ? with_first_carrier(tensors_, x) : x);
}

Step Network::step(size_t site, const Tensor& x, const Observer& observer) const {
  const Tensor z = normalised(site, x, observer);
  if (!writes_behind(site)) return {z, {}};
  return {sites_[site].trunk == Trunk::kInput ? x : z, architecture_->branch(operations(), site, z)};
}

Tensor Network::write(size_t site, const Step& step) const {
  if (!step.branch.defined()) return keep_stream(site + 1, step.trunk);
  const Writer& writer = *sites_[site + 1].writer;
  Tensor output = operations().linear(writer.linear, step.branch);
  const Tensor scale = find_tensor(tensors_, writer.scale);
  if (scale.defined()) output = output * scale;
  return keep_stream(site + 1, step.trunk + drop_pictures(output, drop_path_ * sites_[site].depth));
}

Tensor Network::pass(size_t site, const Tensor& x, const Observer& observer) const {
  return write(site, step(site, x, observer));
}

Tensor Network::leave(const Tensor& x, const Observer& observer) const {
  const size_t last = sites_.size() - 1;
  if (sites_[last].pooled)
    return architecture_->head(operations(), normalised(last, architecture_->pool(x), observer));
  // Only the tokens that the head reads need the norm, unless someone watches all of them.
  const int64_t read = architecture_->tokens_read();
  const bool all = observer || read == 0;
  return architecture_->head(operations(), normalised(last, all ? x : x.slice(1, 0, read), observer));
}

Tensor Network::walk(const Tensor& images, const Observer& observer) const {
  Tensor x = enter(images);
  for (size_t site = 0; site + 1 < sites_.size(); ++site) x = pass(site, x, observer);
  return leave(x, observer);
}

Tensor Network::forward(const Tensor& images, const Observer& observer) const {
  if (observer || at::GradMode::is_enabled() || images.size(0) == 0) return walk(images, observer);
  return over_pictures(images, [&](const Tensor& some) { return walk(some, {}); });
}

}  // namespace normgraft
