#include "normgraft/vit/stream.h"

#include <fmt/format.h>

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

}  // namespace

void centre_stream(Vit& vit) {
  const torch::NoGradGuard no_grad;
  Tensors& tensors = vit.tensors();
  subtract_mean(tensors, "patch_embed.proj.weight", 0);
  subtract_mean(tensors, "patch_embed.proj.bias", 0);
  for (const char* name : {"pos_embed", "cls_token", "dist_token", "reg_token"}) subtract_mean(tensors, name, -1);
  for (int64_t i = 0; i < vit.config().depth; ++i) {
    centre_linear(tensors, fmt::format("blocks.{}.attn.proj", i), fmt::format("blocks.{}.ls1.gamma", i));
    centre_linear(tensors, fmt::format("blocks.{}.mlp.fc2", i), fmt::format("blocks.{}.ls2.gamma", i));
  }
}

}  // namespace normgraft
