#pragma once

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "normgraft/core/monitor.h"
#include "normgraft/core/random.h"
#include "normgraft/data/folder.h"
#include "normgraft/data/image.h"
#include "normgraft/models/vit.h"

namespace normgraft::testing {

/// 32 x 32 pictures, patch 8, N = 17, D = 16, 2 blocks, 3 classes, 5 norm sites.
inline VitConfig small_vit_config() {
  VitConfig c;
  c.architecture = "small_vit_test";
  c.height = c.width = 32;
  c.patch_height = c.patch_width = 8;
  c.channels = 16;
  c.depth = 2;
  c.heads = 2;
  c.classes = 3;
  return c;
}

/// A random Vision Transformer of small_vit_config.
inline Network small_vit(uint64_t seed = 1) {
  Preprocessing p;
  p.height = p.width = 32;
  p.crop_pct = 1.0;
  at::manual_seed(seed);
  Tensors t;
  t["cls_token"] = at::randn({1, 1, 16});
  t["pos_embed"] = at::randn({1, 17, 16});
  t["patch_embed.proj.weight"] = at::randn({16, 3, 8, 8}) * 0.07;
  t["patch_embed.proj.bias"] = at::randn({16}) * 0.1;
  const auto linear = [&t](const std::string& name, int64_t out, int64_t in) {
    t[name + ".weight"] = at::randn({out, in}) * (1.5 / std::sqrt(static_cast<double>(in)));
    t[name + ".bias"] = at::randn({out}) * 0.1;
  };
  const auto norm = [&t](const std::string& name) {
    t[name + ".weight"] = at::rand({16}) + 0.5;
    t[name + ".bias"] = at::randn({16}) * 0.1;
  };
  for (int i = 0; i < 2; ++i) {
    const std::string block = fmt::format("blocks.{}.", i);
    norm(block + "norm1");
    linear(block + "attn.qkv", 48, 16);
    linear(block + "attn.proj", 16, 16);
    norm(block + "norm2");
    linear(block + "mlp.fc1", 64, 16);
    linear(block + "mlp.fc2", 16, 64);
  }
  norm("norm");
  linear("head", 3, 16);
  return make_vit(small_vit_config(), p, t);
}

/// The same without a head.
inline Network small_vit_without_classes() {
  const Network classifier = small_vit();
  Tensors tensors = classifier.tensors();
  tensors.erase("head.weight");
  tensors.erase("head.bias");
  VitConfig config = small_vit_config();
  config.classes = 0;
  return make_vit(config, classifier.preprocessing(), tensors);
}

/// An ImageFolder tree of `classes` folders with `per_class` random pictures of 32 x 32 each.
inline void write_small_pictures(const Path& root, int classes, int per_class, uint64_t seed = 1) {
  for (int c = 0; c < classes; ++c) {
    for (int i = 0; i < per_class; ++i) {
      Random random({seed, static_cast<uint64_t>(c), static_cast<uint64_t>(i)});
      Image image{32, 32, std::vector<uint8_t>(32 * 32 * 3)};
      const uint64_t base = 60 * static_cast<uint64_t>(c);
      for (uint8_t& v : image.rgb) v = static_cast<uint8_t>(base + random.below(120));
      write_png(root / fmt::format("class{}", c) / fmt::format("{}.png", i), image);
    }
  }
}

/// The pictures of an ImageFolder tree.
inline std::vector<Picture> pictures_in(const Path& root) {
  return open_picture_folder(root, nullptr, silent_monitor()).pictures;
}

}  // namespace normgraft::testing
