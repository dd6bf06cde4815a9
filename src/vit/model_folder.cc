#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>

#include "normgraft/core/error.h"
#include "normgraft/vit/safetensors.h"
#include "normgraft/vit/vit.h"

namespace normgraft {
namespace {

constexpr double kDefaultEps = 1e-6;
constexpr double kClipEps = 1e-5;  // timm's CLIP towers
constexpr int64_t kDefaultHeadWidth = 64;
constexpr double kDefaultCropPct = 0.9;

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

/// A JSON object of a config file that names itself when a field is not what it should be.
class Fields {
 public:
  Fields(const Path& path, const Json& json) : path_(path), json_(json) {}

  [[noreturn]] void fail(std::string_view name, std::string_view expected) const {
    throw InputError(fmt::format("config {}: \"{}\" is {}, expected {}", path_.string(), name,
                                 json_[name].dump(), expected));
  }

  bool has(std::string_view name) const { return json_.contains(name) && !json_[name].is_null(); }

  /// The object of that name, or this one where there is none.
  Fields within(std::string_view name) const {
    if (!has(name)) return *this;
    if (!json_[name].is_object()) fail(name, "an object");
    return {path_, json_[name]};
  }

  std::optional<std::string> text(std::string_view name) const {
    if (!has(name)) return std::nullopt;
    if (!json_[name].is_string()) fail(name, "a string");
    return json_[name].get<std::string>();
  }

  std::optional<int64_t> count(std::string_view name) const {
    if (!has(name)) return std::nullopt;
    if (!json_[name].is_number_unsigned() || json_[name].get<uint64_t>() > kLargestCount)
      fail(name, "a whole number");
    return json_[name].get<int64_t>();
  }

  std::optional<double> number(std::string_view name) const {
    if (!has(name)) return std::nullopt;
    if (!json_[name].is_number()) fail(name, "a number");
    return json_[name].get<double>();
  }

  std::optional<std::array<double, 3>> three(std::string_view name) const {
    if (!has(name)) return std::nullopt;
    const Json& list = json_[name];
    const bool numbers = list.is_array() && list.size() == 3 &&
                         std::all_of(list.begin(), list.end(), [](const Json& v) { return v.is_number(); });
    if (!numbers) fail(name, "three numbers");
    return list.get<std::array<double, 3>>();
  }

 private:
  static constexpr uint64_t kLargestCount = 1 << 24;
  const Path& path_;
  const Json& json_;
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

const torch::Tensor& require_tensor(const Tensors& tensors, const Path& file, const std::string& name,
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
  const torch::Tensor& patch = require_tensor(tensors, file, "patch_embed.proj.weight", 4);
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

void read_pooling(VitConfig& config, const Tensors& tensors, const Fields& top, const Fields& arguments) {
  const Fields& said = arguments.has("global_pool") ? arguments : top;
  const std::optional<std::string> pool = said.text("global_pool");
  if (pool && *pool != "token" && *pool != "avg") said.fail("global_pool", "\"token\" or \"avg\"");
  const bool fc_norm = tensors.contains("fc_norm.weight");
  config.average_pool = pool ? *pool == "avg" : fc_norm || !config.class_token;
  config.norm_before_pool = config.average_pool && !fc_norm && tensors.contains("norm.weight");
}

int64_t prefix_tokens(const VitConfig& config) {
  return (config.class_token ? 1 : 0) + (config.distilled ? 1 : 0) + config.register_tokens;
}

/// The side of a square of that many patches.
std::optional<int64_t> square_side(int64_t patches) {
  if (patches <= 0) return std::nullopt;
  const auto side = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(patches))));
  return side * side == patches ? std::optional(side) : std::nullopt;
}

void read_input_size(VitConfig& config, const Tensors& tensors, const Path& file, const Fields& pretrained,
                     Monitor& monitor) {
  const int64_t positions = require_tensor(tensors, file, "pos_embed", 3).size(1);
  const int64_t prefix = prefix_tokens(config);
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

Interpolation read_interpolation(const Fields& pretrained, const std::string& name) {
  if (name == "bicubic") return Interpolation::kBicubic;
  if (name == "bilinear") return Interpolation::kBilinear;
  pretrained.fail("interpolation", "\"bicubic\" or \"bilinear\"");
}

std::array<float, 3> to_floats(const std::array<double, 3>& values) {
  return {static_cast<float>(values[0]), static_cast<float>(values[1]), static_cast<float>(values[2])};
}

Preprocessing read_preprocessing(const VitConfig& config, const Fields& pretrained, Monitor& monitor) {
  Preprocessing p;
  p.height = static_cast<int>(config.height);
  p.width = static_cast<int>(config.width);
  std::vector<std::string> assumed;
  const auto assume = [&](const char* field, const std::string& value) {
    if (!pretrained.has(field)) assumed.push_back(fmt::format("{} {}", field, value));
  };
  assume("interpolation", "bicubic");
  p.interpolation = read_interpolation(pretrained, pretrained.text("interpolation").value_or("bicubic"));
  assume("crop_pct", fmt::format("{}", kDefaultCropPct));
  p.crop_pct = pretrained.number("crop_pct").value_or(kDefaultCropPct);
  if (!(p.crop_pct > 0 && p.crop_pct <= 1)) pretrained.fail("crop_pct", "a number in (0, 1]");
  p.crop_mode = pretrained.text("crop_mode").value_or("center");
  if (p.crop_mode != "center" && p.crop_mode != "squash")
    pretrained.fail("crop_mode", "\"center\" or \"squash\"");
  assume("mean", fmt::format("{}", fmt::join(p.mean, " ")));
  if (const auto mean = pretrained.three("mean")) p.mean = to_floats(*mean);
  assume("std", fmt::format("{}", fmt::join(p.std, " ")));
  if (const auto std = pretrained.three("std")) p.std = to_floats(*std);
  if (*std::min_element(p.std.begin(), p.std.end()) <= 0) pretrained.fail("std", "three numbers above 0");
  if (!assumed.empty()) {
    monitor.notice(
        fmt::format("the checkpoint does not say its preprocessing: using {}", fmt::join(assumed, ", ")));
  }
  return p;
}

/// Heads, eps and activation, which the tensors do not show.
void settle_hidden_choices(VitConfig& config, const Fields& top, const Fields& arguments,
                           const VitOptions& options, Monitor& monitor) {
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

Json three_numbers(const std::array<float, 3>& values) {
  Json list = Json::array();
  for (const float value : values)
    list.push_back(std::stod(fmt::format("{}", value)));  // the shortest that reads back
  return list;
}

double mlp_ratio(const VitConfig& config, const Tensors& tensors) {
  const int64_t hidden = tensors.at("blocks.0.mlp.fc1.weight").size(0);
  return static_cast<double>(hidden) / static_cast<double>(config.channels);
}

/// The keyword arguments with which timm builds the network.
Json model_arguments(const VitConfig& c, const Tensors& tensors) {
  Json arguments = {{"img_size", {c.height, c.width}},
                    {"patch_size", {c.patch_height, c.patch_width}},
                    {"embed_dim", c.channels},
                    {"depth", c.depth},
                    {"num_heads", c.heads},
                    {"mlp_ratio", mlp_ratio(c, tensors)},
                    {"qkv_bias", tensors.contains("blocks.0.attn.qkv.bias")},
                    {"act_layer", c.activation}};
  if (c.average_pool) arguments["fc_norm"] = !c.norm_before_pool;
  if (!c.class_token) arguments["class_token"] = false;
  if (!c.position_after_class_token) arguments["no_embed_class"] = true;
  if (c.register_tokens > 0) arguments["reg_tokens"] = c.register_tokens;
  if (c.pre_norm) arguments["pre_norm"] = true;
  if (tensors.contains("blocks.0.ls1.gamma")) arguments["init_values"] = kDefaultEps;
  return arguments;
}

/// timm knows qkv biases in all blocks or in none; folding a norm site gives one to its block alone.
Tensors with_uniform_bias(const Vit& vit) {
  Tensors tensors = vit.tensors();
  std::vector<std::string> absent;
  for (int64_t i = 0; i < vit.config().depth; ++i) {
    const std::string name = fmt::format("blocks.{}.attn.qkv.bias", i);
    if (!tensors.contains(name)) absent.push_back(name);
  }
  if (static_cast<int64_t>(absent.size()) == vit.config().depth) return tensors;
  for (const std::string& name : absent) tensors[name] = torch::zeros({3 * vit.config().channels});
  return tensors;
}

Json config_json(const Vit& vit, const Tensors& tensors) {
  const VitConfig& c = vit.config();
  const Preprocessing& p = vit.preprocessing();
  const std::string interpolation = p.interpolation == Interpolation::kBicubic ? "bicubic" : "bilinear";
  return {{"architecture", c.architecture},
          {"num_classes", c.classes},
          {"num_features", c.channels},
          {"global_pool", c.average_pool ? "avg" : "token"},
          {"norm_eps", c.eps},
          {"model_args", model_arguments(c, tensors)},
          {"pretrained_cfg",
           {{"input_size", {3, c.height, c.width}},
            {"fixed_input_size", true},
            {"interpolation", interpolation},
            {"crop_pct", p.crop_pct},
            {"crop_mode", p.crop_mode},
            {"mean", three_numbers(p.mean)},
            {"std", three_numbers(p.std)},
            {"num_classes", c.classes},
            {"pool_size", nullptr},
            {"first_conv", "patch_embed.proj"},
            {"classifier", c.distilled ? Json{"head", "head_dist"} : Json("head")}}}};
}

}  // namespace

Vit load_vit(const Path& path, const VitOptions& options, Monitor& monitor) {
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    throw InputError(fmt::format("model not found: {}", path.string()));
  const bool folder = std::filesystem::is_directory(path, error);
  const Path config_path = folder ? path / "config.json" : path;
  const Path weights = folder ? path / "model.safetensors" : path;
  const Json json = folder ? read_json(config_path, "config") : Json::object();
  if (!json.is_object()) {
    throw InputError(
        fmt::format("config {} is a JSON {}, expected an object", config_path.string(), json.type_name()));
  }

  const Fields top(config_path, json), pretrained = top.within("pretrained_cfg"),
                                       arguments = top.within("model_args");
  Tensors tensors = read_safetensors(weights);
  if (tensors.erase("mask_token") > 0) {
    monitor.notice(
        fmt::format("checkpoint {}: mask_token is left out, it serves pretraining alone", weights.string()));
  }
  VitConfig config;
  const std::string architecture = top.text("architecture").value_or("");
  config.architecture =
      !architecture.empty() ? architecture : (folder ? weights.parent_path() : weights).stem().string();
  read_shapes(config, tensors, weights);
  read_pooling(config, tensors, top, arguments);
  read_input_size(config, tensors, weights, pretrained, monitor);
  const std::optional<int64_t> classes =
      top.has("num_classes") ? top.count("num_classes") : pretrained.count("num_classes");
  config.classes = classes.value_or(config.classes);
  settle_hidden_choices(config, top, arguments, options, monitor);
  const Preprocessing preprocessing = read_preprocessing(config, pretrained, monitor);
  try {
    return Vit(std::move(config), preprocessing, std::move(tensors));
  } catch (const InputError& fault) {
    throw InputError(fmt::format("checkpoint {}: {}", weights.string(), fault.what()));
  }
}

void save_vit(const Path& folder, const Vit& vit) {
  const Tensors tensors = with_uniform_bias(vit);
  write_safetensors(folder / "model.safetensors", tensors);
  write_json(folder / "config.json", config_json(vit, tensors));
}

}  // namespace normgraft
