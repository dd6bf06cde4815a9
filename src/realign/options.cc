#include <array>

#include "normgraft/core/names.h"
#include "normgraft/core/require.h"
#include "normgraft/realign/realign.h"

namespace normgraft {
namespace {

constexpr std::array<Named<RealignMode>, 4> kModes = {{{"constants", RealignMode::kConstants},
                                                       {"affine", RealignMode::kAffine},
                                                       {"full", RealignMode::kFull},
                                                       {"distill", RealignMode::kDistill}}};

RealignOptions published() {
  RealignOptions options;
  options.epochs = 20;
  options.batch = 512;
  options.clip_norm = 0;
  options.warmup = 0;
  options.augmentation.scale_low = 0.08;
  options.augmentation.color_jitter = 0.4;
  options.augmentation.random_erasing = 0.25;
  options.augmentation.rand_augment = 9;
  return options;
}

RealignOptions published_affine() {
  RealignOptions options = published();
  options.mode = RealignMode::kAffine;
  options.rate = 1e-3;
  options.cosine = false;
  return options;
}

RealignOptions published_full() {
  RealignOptions options = published();
  options.mode = RealignMode::kFull;
  options.rate = 1e-5;
  return options;
}

RealignOptions published_distill() {
  RealignOptions options = published();
  options.mode = RealignMode::kDistill;
  options.rate = 1e-5;
  options.weight_decay = 0.05;
  options.drop_path = 0.2;
  options.temperature = 4;
  options.label_weight = 0.5;
  return options;
}

constexpr std::array<Named<RealignOptions (*)()>, 3> kRecipes = {{{"carrigg2026-a", published_affine},
                                                                  {"carrigg2026-f", published_full},
                                                                  {"carrigg2026-d", published_distill}}};

}  // namespace

RealignMode realign_mode(const std::string& name) {
  return value_named<RealignMode>(kModes, "mode", name);
}

std::string to_string(RealignMode mode) {
  return name_of<RealignMode>(kModes, mode);
}

void RealignOptions::validate() const {
  require(epochs >= 1, "realign", "epochs", epochs, "at least 1");
  require(batch >= 1, "realign", "batch", batch, "at least 1");
  require(rate > 0 && rate < 10, "realign", "rate", rate, "a number in (0, 10)");
  require(r_rate >= 0 && r_rate < 1e3, "realign", "r rate", r_rate, "a number in [0, 1000)");
  require(weight_decay >= 0 && weight_decay < 1e3, "realign", "weight decay", weight_decay,
          "a number in [0, 1000)");
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
  return value_named<RealignOptions (*)()>(kRecipes, "recipe", name)();
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
              {"r_rate", options.r_rate},
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
