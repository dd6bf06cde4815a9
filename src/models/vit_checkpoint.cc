#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <sstream>
#include <string_view>

#include "family.h"
#include "normgraft/core/error.h"
#include "normgraft/models/vit.h"
#include "timm_config.h"
#include "vit_tensors.h"

namespace normgraft {
namespace {

constexpr double kDefaultEps = 1e-6;
constexpr double kClipEps = 1e-5;  // timm's CLIP towers
constexpr int64_t kDefaultHeadWidth = 64;

/// timm's sizes: the word in the architecture's name, D and heads.
struct Size {
  std::string_view word;
  int64_t channels;
  int64_t heads;
};

constexpr std::array kSizes = {
    Size{"tiny", 192, 3},       Size{"small", 384, 6},  Size{"little", 320, 5},  Size{"medium", 512, 8},
    Size{"betwixt", 640, 10},   Size{"base", 768, 12},  Size{"large", 1024, 16}, Size{"so150m", 896, 14},
    Size{"so400m", 1152, 16},   Size{"huge", 1280, 16}, Size{"giant", 1408, 16}, Size{"giant", 1536, 24},
    Size{"gigantic", 1664, 16}, Size{"test", 64, 2},
};

bool has_word(const std::string& architecture, std::string_view word) {
  std::istringstream words(architecture);
  for (std::string w; std::getline(words, w, '_');) {
    if (w == word) return true;
  }
  return false;
}

/// The family's heads when the name and the width agree on a member of it.
std::optional<int64_t> known_heads(const std::string& architecture, int64_t channels) {
  for (const Size& size : kSizes) {
    if (channels == size.channels && has_word(architecture, size.word)) return size.heads;
  }
  return std::nullopt;
}

/// The family's activation; nothing for an unknown family.
std::optional<std::string> known_activation(const std::string& architecture, bool known) {
  if (has_word(architecture, "quickgelu")) return "quick_gelu";
  return known ? std::optional<std::string>("gelu") : std::nullopt;
}

std::optional<double> known_eps(const std::string& architecture, bool known) {
  if (has_word(architecture, "clip")) return kClipEps;
  return known ? std::optional<double>(kDefaultEps) : std::nullopt;
}

/// What the config says, else the option, else a default that is announced.
template <typename T>
T settle(const char* what, const std::optional<T>& said, const std::optional<T>& option, const T& fallback,
         Monitor& monitor) {
  if (said && option && *said != *option) {
    monitor.notice(
        fmt::format("option {} {} is not used: the checkpoint's config says {}", what, *option, *said));
  }
  if (said) return *said;
  if (option) return *option;
  monitor.notice(fmt::format("the checkpoint does not say its {}: using {}", what, fallback));
  return fallback;
}

const Tensor& require_tensor(const Tensors& tensors, const Path& file, const std::string& name,
                                    int64_t dimensions) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) {
    throw InputError(
        fmt::format("checkpoint {} is not a Vision Transformer of this kind: tensor \"{}\" is missing",
                    file.string(), name));
  }
  if (found->second.dim() != dimensions) {
    throw InputError(fmt::format("checkpoint {}: tensor \"{}\" has shape [{}], expected {} dimensions",
                                 file.string(), name, fmt::join(found->second.sizes(), ", "), dimensions));
  }
  return found->second;
}

int64_t count_blocks(const Tensors& tensors) {
  int64_t depth = 0;
  while (tensors.contains(fmt::format("blocks.{}.norm1.weight", depth))) ++depth;
  return depth;
}

/// All that the tensors say of the architecture.
void read_shapes(VitConfig& config, const Tensors& tensors, const Path& file) {
  const Tensor& patch = require_tensor(tensors, file, "patch_embed.proj.weight", 4);
  config.channels = patch.size(0);
  config.patch_height = patch.size(2);
  config.patch_width = patch.size(3);
  require_tensor(tensors, file, "blocks.0.norm1.weight", 1);
  config.depth = count_blocks(tensors);
  config.class_token = tensors.contains("cls_token");
  config.distilled = tensors.contains("dist_token");
  config.pre_norm = tensors.contains("norm_pre.weight");
  config.classes =
      tensors.contains("head.weight") ? require_tensor(tensors, file, "head.weight", 2).size(0) : 0;
  config.register_tokens =
      tensors.contains("reg_token") ? require_tensor(tensors, file, "reg_token", 3).size(1) : 0;
}

void read_pooling(VitConfig& config, const Tensors& tensors, const ConfigFields& top, const ConfigFields& arguments) {
  const ConfigFields& said = arguments.has("global_pool") ? arguments : top;
  const std::optional<std::string> pool = said.text("global_pool");
  if (pool && *pool != "token" && *pool != "avg") said.fail("global_pool", "\"token\" or \"avg\"");
  const bool fc_norm = tensors.contains("fc_norm.weight");
  config.average_pool = pool ? *pool == "avg" : fc_norm || !config.class_token;
  config.norm_before_pool = config.average_pool && !fc_norm && tensors.contains("norm.weight");
}

/// The side of a square of that many patches.
std::optional<int64_t> square_side(int64_t patches) {
  if (patches <= 0) return std::nullopt;
  const auto side = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(patches))));
  return side * side == patches ? std::optional(side) : std::nullopt;
}

void read_input_size(VitConfig& config, const Tensors& tensors, const Path& file, const ConfigFields& pretrained,
                     Monitor& monitor) {
  const int64_t positions = require_tensor(tensors, file, "pos_embed", 3).size(1);
  const int64_t prefix = vit_prefix_tokens(config);
  if (const auto size = pretrained.three("input_size")) {
    const auto valid = [](double v) { return v >= 1 && v <= 1 << 16 && v == std::floor(v); };
    if ((*size)[0] != 3 || !valid((*size)[1]) || !valid((*size)[2]))
      pretrained.fail("input_size", "[3, height, width]");
    config.height = static_cast<int64_t>((*size)[1]);
    config.width = static_cast<int64_t>((*size)[2]);
  } else {
    const std::optional<int64_t> with_prefix = square_side(positions - prefix),
                                 alone = square_side(positions);
    if (!with_prefix && !alone) {
      throw InputError(fmt::format(
          "checkpoint {}: {} positions of pos_embed are no square of patches, and no config says the "
          "input_size",
          file.string(), positions));
    }
    const int64_t side = with_prefix ? *with_prefix : *alone;
    config.height = side * config.patch_height;
    config.width = side * config.patch_width;
    monitor.notice(
        fmt::format("the checkpoint does not say its input size: using {}x{}, from pos_embed and patch size",
                    config.height, config.width));
  }
  const int64_t patches = (config.height / config.patch_height) * (config.width / config.patch_width);
  config.position_after_class_token = prefix == 0 || positions != patches;
}

/// Heads, eps and activation, which the tensors do not show.
void settle_hidden_choices(VitConfig& config, const ConfigFields& top, const ConfigFields& arguments,
                           const ModelOptions& options, Monitor& monitor) {
  const std::string architecture = top.text("architecture").value_or("");
  const std::optional<int64_t> heads = known_heads(architecture, config.channels);
  const auto or_else = [](const auto& a, const auto& b) { return a ? a : b; };
  config.heads = settle("heads", or_else(arguments.count("num_heads"), heads), options.heads,
                        std::max<int64_t>(1, config.channels / kDefaultHeadWidth), monitor);
  const std::optional<double> eps = or_else(arguments.number("norm_eps"), top.number("norm_eps"));
  config.eps = settle("LayerNorm eps", or_else(eps, known_eps(architecture, heads.has_value())), options.eps,
                      kDefaultEps, monitor);
  config.activation = settle(
      "activation", or_else(arguments.text("act_layer"), known_activation(architecture, heads.has_value())),
      options.activation, std::string("gelu"), monitor);
}

std::string why_not_vit(const Checkpoint& checkpoint) {
  for (const char* name : {"patch_embed.proj.weight", "blocks.0.norm1.weight", "pos_embed"}) {
    if (!checkpoint.tensors.contains(name)) return fmt::format("tensor \"{}\" is missing", name);
  }
  return {};
}

Network load_vit(Checkpoint checkpoint, const ModelOptions& options, Monitor& monitor) {
  const Path& weights = checkpoint.weights;
  const ConfigFields top(checkpoint.config_path, checkpoint.config);
  const ConfigFields pretrained = top.within("pretrained_cfg"), arguments = top.within("model_args");
  Tensors& tensors = checkpoint.tensors;
  if (tensors.erase("mask_token") > 0) {
    monitor.notice(
        fmt::format("checkpoint {}: mask_token is left out, it serves pretraining alone", weights.string()));
  }
  VitConfig config;
  const std::string architecture = top.text("architecture").value_or("");
  const bool bare = checkpoint.config_path == weights;
  config.architecture =
      !architecture.empty() ? architecture : (bare ? weights : weights.parent_path()).stem().string();
  read_shapes(config, tensors, weights);
  read_pooling(config, tensors, top, arguments);
  read_input_size(config, tensors, weights, pretrained, monitor);
  const std::optional<int64_t> classes =
      top.has("num_classes") ? top.count("num_classes") : pretrained.count("num_classes");
  config.classes = classes.value_or(config.classes);
  config.class_names = top.texts("label_names");
  if (!config.class_names.empty() && static_cast<int64_t>(config.class_names.size()) != config.classes) {
    monitor.notice(fmt::format("config {}: {} label_names for {} classes are not used", checkpoint.config_path.string(),
                               config.class_names.size(), config.classes));
    config.class_names.clear();
  }
  settle_hidden_choices(config, top, arguments, options, monitor);
  const Preprocessing preprocessing = read_preprocessing(pretrained, config.height, config.width, monitor);
  try {
    return make_vit(std::move(config), preprocessing, std::move(tensors));
  } catch (const InputError& fault) {
    throw InputError(fmt::format("checkpoint {}: {}", weights.string(), fault.what()));
  }
}

}  // namespace

Family vit_family() {
  return {"vit", why_not_vit, load_vit};
}

}  // namespace normgraft
