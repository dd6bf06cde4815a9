#include <fmt/format.h>

#include "normgraft/core/require.h"
#include "normgraft/realign/realign.h"

namespace normgraft {
RealignMode realign_mode(const std::string& name) {
  if (name == "constants") return RealignMode::kConstants;
  if (name == "affine") return RealignMode::kAffine;
  if (name == "full") return RealignMode::kFull;
  if (name == "distill") return RealignMode::kDistill;
  throw InputError(fmt::format("unknown mode \"{}\", expected constants, affine, full or distill", name));
}

std::string to_string(RealignMode mode) {
  switch (mode) {
    case RealignMode::kConstants:
      return "constants";
    case RealignMode::kAffine:
      return "affine";
    case RealignMode::kFull:
      return "full";
    case RealignMode::kDistill:
      break;
  }
  return "distill";
}

void RealignOptions::validate() const {
  require(epochs >= 1, "realign", "epochs", static_cast<double>(epochs), "at least 1");
  require(batch >= 1, "realign", "batch", static_cast<double>(batch), "at least 1");
  require(rate > 0 && rate < 10, "realign", "rate", rate, "a number in (0, 10)");
  require(weight_decay >= 0 && weight_decay < 10, "realign", "weight decay", weight_decay,
          "a number in [0, 10)");
  require(warmup >= 0 && warmup < 1, "realign", "warmup", warmup, "a share in [0, 1)");
  require(drop_path >= 0 && drop_path < 1, "realign", "drop path", drop_path, "a share in [0, 1)");
  require(temperature > 0 && temperature < 1e3, "realign", "temperature", temperature,
          "a number in (0, 1000)");
  require(label_weight >= 0 && label_weight <= 1, "realign", "label weight", label_weight,
          "a share in [0, 1]");
  require(hint >= 0 && hint < 1e3, "realign", "hint", hint, "a number in [0, 1000)");
  require(clip_norm >= 0, "realign", "clip norm", clip_norm, "at least 0");
  require(held_out > 0 && held_out < 1, "realign", "held out", held_out, "a share in (0, 1)");
  augmentation.validate();
}

RealignOptions realign_recipe(const std::string& name) {
  RealignOptions options;
  options.epochs = 20;
  options.batch = 512;
  options.clip_norm = 0;
  options.warmup = 0;
  options.augmentation.scale_low = 0.08;
  options.augmentation.color_jitter = 0.4;
  options.augmentation.random_erasing = 0.25;
  options.augmentation.rand_augment = 9;
  if (name == "carrigg2026-a") {
    options.mode = RealignMode::kAffine;
    options.rate = 1e-3;
    options.cosine = false;
  } else if (name == "carrigg2026-f") {
    options.mode = RealignMode::kFull;
    options.rate = 1e-5;
  } else if (name == "carrigg2026-d") {
    options.mode = RealignMode::kDistill;
    options.rate = 1e-5;
    options.weight_decay = 0.05;
    options.drop_path = 0.2;
    options.temperature = 4;
    options.label_weight = 0.5;
  } else {
    throw InputError(
        fmt::format("unknown recipe \"{}\", expected carrigg2026-a, carrigg2026-f or carrigg2026-d", name));
  }
  return options;
}

RealignOptions realign_defaults(RealignMode mode) {
  RealignOptions options;
  options.mode = mode;
  if (mode == RealignMode::kConstants) {
    options.epochs = 4;
    options.batch = 16;
    options.hint = 0.05;
    options.rate = 5e-4;
    options.held_out = 0.15;
    options.augmentation.scale_low = 0.4;
    options.augmentation.color_jitter = 0;
  }
  return options;
}

bool needs_teacher(const RealignOptions& options) {
  return options.mode == RealignMode::kConstants || options.hint > 0 ||
         (options.mode == RealignMode::kDistill && options.label_weight < 1);
}

bool needs_labels(const RealignOptions& options) {
  return options.mode != RealignMode::kConstants;
}

Json to_json(const RealignOptions& options) {
  const Augmentation& a = options.augmentation;
  return Json{{"mode", to_string(options.mode)},
              {"epochs", options.epochs},
              {"batch", options.batch},
              {"rate", options.rate},
              {"weight_decay", options.weight_decay},
              {"schedule", options.cosine ? "cosine" : "constant"},
              {"warmup", options.warmup},
              {"drop_path", options.drop_path},
              {"temperature", options.temperature},
              {"label_weight", options.label_weight},
              {"hint", options.hint},
              {"clip_norm", options.clip_norm},
              {"held_out", options.held_out},
              {"augmentation",
               {{"scale", {a.scale_low, a.scale_high}},
                {"ratio", {a.ratio_low, a.ratio_high}},
                {"flip", a.flip},
                {"color_jitter", a.color_jitter},
                {"random_erasing", a.random_erasing},
                {"rand_augment", a.rand_augment}}},
              {"seed", options.seed}};
}

}  // namespace normgraft
