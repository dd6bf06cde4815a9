#include "normgraft/vit/stream.h"

#include <fmt/format.h>

#include <algorithm>

#include "normgraft/core/error.h"

namespace normgraft {
namespace {

void subtract_mean(Tensors& tensors, const std::string& name, int64_t dim) {
  const auto found = tensors.find(name);
  if (found != tensors.end()) found->second = found->second - found->second.mean(dim, true);
}

/// Of a Linear that writes the stream through LayerScale, if there is one.
void centre_linear(Tensors& tensors, const std::string& name, const std::string& scale_name) {
  const auto scale = tensors.find(scale_name);
  if (scale != tensors.end()) {
    torch::Tensor& weight = tensors.at(name + ".weight");
    torch::Tensor& bias = tensors.at(name + ".bias");
    weight = weight * scale->second.unsqueeze(1);
    bias = bias * scale->second;
    scale->second = torch::ones_like(scale->second);
  }
  subtract_mean(tensors, name + ".weight", 0);
  subtract_mean(tensors, name + ".bias", 0);
}

constexpr double kBlind = 1e-3;  ///< of the Linear's norm, that may be left of what it says to the mean

/// The Linears that read a site's output.
std::vector<std::string> readers(const Vit& vit, const NormSite& site) {
  std::vector<std::string> names;
  for (const std::string& name :
       {site.next_linear, std::string(site.next_linear == "head" ? "head_dist" : "")}) {
    if (vit.tensors().contains(name + ".weight")) names.push_back(name);
  }
  return names;
}

}  // namespace

torch::Tensor without_mean(const torch::Tensor& x) {
  return x - x.mean(-1, true);
}

void centre_stream(Vit& vit) {
  const torch::NoGradGuard no_grad;
  Tensors& tensors = vit.tensors();
  subtract_mean(tensors, "patch_embed.proj.weight", 0);
  subtract_mean(tensors, "patch_embed.proj.bias", 0);
  for (const char* name : {"pos_embed", "cls_token", "dist_token", "reg_token"})
    subtract_mean(tensors, name, -1);
  for (int64_t i = 0; i < vit.config().depth; ++i) {
    centre_linear(tensors, fmt::format("blocks.{}.attn.proj", i), fmt::format("blocks.{}.ls1.gamma", i));
    centre_linear(tensors, fmt::format("blocks.{}.mlp.fc2", i), fmt::format("blocks.{}.ls2.gamma", i));
  }
}

void fold_norm(Vit& vit, size_t site, bool blind) {
  const torch::NoGradGuard no_grad;
  const NormSite& norm = vit.sites()[site];
  const auto linears = readers(vit, norm);
  if (linears.empty())
    throw InputError(fmt::format("cannot fold norm site \"{}\": no Linear follows it", norm.name));
  Tensors& tensors = vit.tensors();
  torch::Tensor& gamma = tensors.at(norm.name + ".weight");
  torch::Tensor& beta = tensors.at(norm.name + ".bias");
  for (const std::string& linear : linears) {
    torch::Tensor& weight = tensors.at(linear + ".weight");
    const torch::Tensor shift = weight.matmul(beta);
    const auto bias = tensors.find(linear + ".bias");
    if (bias == tensors.end()) {
      tensors.emplace(linear + ".bias", shift);
    } else {
      bias->second = bias->second + shift;
    }
    weight = weight * gamma;
    if (blind) weight = without_mean(weight);
  }
  gamma = torch::ones_like(gamma);
  beta = torch::zeros_like(beta);
}

void blind_to_mean(Vit& vit) {
  for (size_t site = 0; site < vit.sites().size(); ++site) {
    if (!readers(vit, vit.sites()[site]).empty()) fold_norm(vit, site, /*blind=*/true);
  }
}

bool is_blind_to_mean(const Vit& vit, size_t site) {
  const torch::NoGradGuard no_grad;
  const NormSite& norm = vit.sites()[site];
  const auto linears = readers(vit, norm);
  return !linears.empty() && std::all_of(linears.begin(), linears.end(), [&](const std::string& linear) {
    const torch::Tensor weight =
        vit.tensors().at(linear + ".weight") * vit.tensors().at(norm.name + ".weight");
    return weight.sum(1).norm().item<double>() <= kBlind * weight.norm().item<double>();
  });
}

}  // namespace normgraft
