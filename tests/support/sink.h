#pragma once

#include "normgraft/vit/vit.h"

namespace normgraft::testing {

/// Gives a small network an attention sink: hidden unit 5 of block 0 is on for the third patch, and writes channel 1.
/// Units 2 and 9 do nothing.
inline Vit with_sink(Vit vit) {
  const torch::NoGradGuard no_grad;
  Tensors& tensors = vit.tensors();
  for (auto& [name, tensor] : tensors) tensor = tensor.clone();
  tensors["patch_embed.proj.weight"] *= 0.05;
  tensors["pos_embed"] *= 0.5;
  tensors["pos_embed"].select(2, 0).fill_(-1);
  tensors["pos_embed"][0][3][0] = 4;
  tensors["blocks.0.attn.proj.weight"] *= 0.01;
  tensors["blocks.0.attn.proj.bias"] *= 0.01;
  tensors["blocks.0.norm2.weight"][0] = 1;
  tensors["blocks.0.norm2.bias"][0] = 0;
  tensors["blocks.0.mlp.fc1.weight"][5].zero_();
  tensors["blocks.0.mlp.fc1.weight"][5][0] = 100;
  tensors["blocks.0.mlp.fc1.bias"][5] = -150;
  for (const int64_t unit : {2, 5, 9}) tensors["blocks.0.mlp.fc2.weight"].select(1, unit).zero_();
  tensors["blocks.0.mlp.fc2.weight"][1][5] = 1;
  return vit;
}

}  // namespace normgraft::testing
