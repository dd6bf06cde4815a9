#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "normgraft/core/monitor.h"
#include "normgraft/models/vit.h"
#include "support/input_error.h"
#include "support/temporary_folder.h"

namespace normgraft::testing {

/// Keeps the notices.
class Listener : public Monitor {
 public:
  void notice(const std::string& line) override { notices.push_back(line); }
  bool heard(const std::string& part) const {
    for (const std::string& line : notices) {
      if (line.find(part) != std::string::npos) return true;
    }
    return false;
  }
  std::vector<std::string> notices;
};

/// A network small enough for any test: 24x16 pictures, patches of 8x8, D = 8, 2 blocks.
inline VitConfig small_config() {
  VitConfig config;
  config.architecture = "vit_tiny_patch16_224";
  config.height = 24;
  config.width = 16;
  config.patch_height = config.patch_width = 8;
  config.channels = 8;
  config.depth = 2;
  config.heads = 2;
  config.classes = 5;
  return config;
}

inline Preprocessing small_preprocessing() {
  Preprocessing preprocessing;
  preprocessing.height = 24;
  preprocessing.width = 16;
  preprocessing.crop_pct = 0.95;
  preprocessing.crop_mode = "squash";
  preprocessing.interpolation = Interpolation::kBilinear;
  preprocessing.mean = {0.1F, 0.2F, 0.3F};
  preprocessing.std = {0.4F, 0.5F, 0.6F};
  return preprocessing;
}

/// Random tensors for small_config.
inline Tensors small_tensors() {
  at::manual_seed(1);
  constexpr int64_t d = 8, hidden = 24;
  Tensors tensors;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    tensors[name] = 0.5 * at::randn(shape);
  };
  const auto add_norm = [&](const std::string& name) {
    add(name + ".bias", {d});
    tensors[name + ".weight"] = 1 + 0.2 * at::randn({d});
  };
  const auto add_linear = [&](const std::string& name, int64_t in, int64_t out) {
    add(name + ".weight", {out, in});
    add(name + ".bias", {out});
  };
  add("cls_token", {1, 1, d});
  add("pos_embed", {1, 7, d});
  add("patch_embed.proj.weight", {d, 3, 8, 8});
  add("patch_embed.proj.bias", {d});
  for (const std::string block : {"blocks.0.", "blocks.1."}) {
    add_norm(block + "norm1");
    add_linear(block + "attn.qkv", d, 3 * d);
    add_linear(block + "attn.proj", d, d);
    add_norm(block + "norm2");
    add_linear(block + "mlp.fc1", d, hidden);
    add_linear(block + "mlp.fc2", hidden, d);
  }
  add_norm("norm");
  add_linear("head", d, 5);
  return tensors;
}

inline Network small_vit() {
  return make_vit(small_config(), small_preprocessing(), small_tensors());
}

inline Tensor small_images(int64_t count) {
  at::manual_seed(2);
  return at::randn({count, 3, 24, 16});
}

/// The largest difference, as a share of the largest |expected|.
inline double relative_error(const Tensor& actual, const Tensor& expected) {
  return ((actual - expected).abs().max() / expected.abs().max()).item<double>();
}

}  // namespace normgraft::testing
