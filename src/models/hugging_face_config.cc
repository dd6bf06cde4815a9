#include "hugging_face_config.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "normgraft/core/error.h"
#include "timm_config.h"
#include "timm_names.h"
#include "vit_tensors.h"

namespace normgraft {
namespace {

constexpr std::array kKinds = {"vit", "deit", "dinov2", "dinov2_with_registers"};

/// timm's name of a function that transformers has by this name.
std::string activation_named(const ConfigFields& config) {
  static const std::map<std::string, std::string> kNames = {{"gelu", "gelu"},
                                                            {"gelu_new", "gelu_tanh"},
                                                            {"gelu_pytorch_tanh", "gelu_tanh"},
                                                            {"quick_gelu", "quick_gelu"},
                                                            {"relu", "relu"},
                                                            {"silu", "silu"},
                                                            {"swish", "silu"}};
  const auto found = kNames.find(config.text("hidden_act").value_or("gelu"));
  if (found == kNames.end())
    config.fail("hidden_act", "gelu, gelu_new, gelu_pytorch_tanh, quick_gelu, relu, silu or swish");
  return found->second;
}

/// The names of id2label, in the order of their numbers; none where they are not those of 0 to classes - 1.
Json class_names(const Json& config, int64_t classes) {
  if (!config.contains("id2label") || !config["id2label"].is_object()) return Json();
  const Json& given = config["id2label"];
  if (given.size() != static_cast<size_t>(classes)) return Json();
  Json names = Json::array();
  for (int64_t i = 0; i < classes; ++i) {
    const auto name = given.find(std::to_string(i));
    if (name == given.end() || !name->is_string()) return Json();
    names.push_back(*name);
  }
  return names;
}

/// timm's name of a network of these sizes; nothing where it has none.
std::optional<std::string> timm_name(const Tensors& tensors, const std::string& kind, int64_t input) {
  const Tensor patch = find_tensor(tensors, "patch_embed.proj.weight");
  if (!patch.defined() || patch.dim() != 4) return std::nullopt;
  static const std::map<int64_t, std::string> kSizes = {{192, "tiny"},   {384, "small"}, {768, "base"},
                                                        {1024, "large"}, {1280, "huge"}, {1536, "giant"}};
  const auto size = kSizes.find(patch.size(0));
  if (size == kSizes.end()) return std::nullopt;
  std::string name = fmt::format("vit_{}_patch{}_{}", size->second, patch.size(2), input);
  if (kind.starts_with("dinov2")) {
    const bool registers = tensors.contains("reg_token");
    name = fmt::format("vit_{}_patch{}_{}dinov2", size->second, patch.size(2), registers ? "reg4_" : "");
  } else if (kind == "deit") {
    const bool distilled = tensors.contains("head_dist.weight");
    name = fmt::format("deit_{}_{}patch{}_{}", size->second, distilled ? "distilled_" : "", patch.size(2),
                       input);
  }
  if (timm_facts(name) == nullptr) return std::nullopt;
  return name;
}

/// "size" or "crop_size": a number for both sides, or {"height", "width"}; nothing for {"shortest_edge"}.
std::optional<std::array<int64_t, 2>> both_sides(const ConfigFields& fields, const Json& json,
                                                 const char* name) {
  if (!fields.has(name)) return std::nullopt;
  if (!json[name].is_object()) return fields.size(name);
  const ConfigFields inner = fields.within(name);
  const auto height = inner.count("height"), width = inner.count("width");
  if (height && width && *height > 0 && *width > 0) return std::array{*height, *width};
  if (!inner.has("shortest_edge")) fields.fail(name, R"(a number, {"height", "width"} or {"shortest_edge"})");
  return std::nullopt;
}

/// What preprocessor_config.json says, in timm's words.
class Pictures {
 public:
  Pictures(const Path& path, const Json& json) : json_(json), fields_(path, json_) {}

  /// The picture that the network sees.
  std::optional<std::array<int64_t, 2>> input() const {
    if (crops()) return both_sides(fields_, json_, "crop_size");
    return both_sides(fields_, json_, "size");
  }

  Json pretrained() const {
    Json said = Json::object();
    if (const auto resample = fields_.count("resample")) {
      if (*resample != 2 && *resample != 3) fields_.fail("resample", "2 (bilinear) or 3 (bicubic)");
      said["interpolation"] = *resample == 2 ? "bilinear" : "bicubic";
    }
    if (!fields_.flag("do_rescale").value_or(true)) fields_.fail("do_rescale", "true");
    if (fields_.flag("do_normalize").value_or(true)) {
      for (const auto& [from, to] : {std::pair("image_mean", "mean"), std::pair("image_std", "std")}) {
        if (const auto three = fields_.three(from)) said[to] = *three;
      }
    } else {
      said["mean"] = {0, 0, 0};
      said["std"] = {1, 1, 1};
    }
    add_crop(said);
    return said;
  }

 private:
  bool crops() const { return fields_.flag("do_center_crop").value_or(fields_.has("crop_size")); }

  /// transformers resizes to `size`, both sides or the shorter one, and cuts `crop_size` out of the middle.
  void add_crop(Json& said) const {
    const auto cut = input();
    if (!cut) return;
    const auto resized = both_sides(fields_, json_, "size");
    said["crop_mode"] = resized || !fields_.has("size") ? "squash" : "center";
    int64_t side = resized ? (*resized)[0] : 0;
    if (!resized && fields_.has("size")) side = fields_.within("size").count("shortest_edge").value_or(0);
    if (side == 0) side = std::min((*cut)[0], (*cut)[1]);
    const int64_t kept = resized ? (*cut)[0] : std::min((*cut)[0], (*cut)[1]);
    if (kept > side) fields_.fail("crop_size", fmt::format("at most the {} of size", side));
    said["crop_pct"] = static_cast<double>(kept) / static_cast<double>(side);
  }

  Json json_;
  ConfigFields fields_;
};

}  // namespace

Json timm_config_of(const Checkpoint& checkpoint, const Tensors& tensors) {
  const ConfigFields config(checkpoint.config_path, checkpoint.config);
  Json arguments = Json::object(), made = Json::object(), pretrained = Json::object();
  if (const auto heads = config.count("num_attention_heads")) arguments["num_heads"] = *heads;
  const std::string kind = config.text("model_type").value_or("");
  if (!kind.empty() && std::find(kKinds.begin(), kKinds.end(), kind) == kKinds.end())
    config.fail("model_type", fmt::format("{}", fmt::join(kKinds, ", ")));
  const bool gated = vit_blocks(tensors, 1).mlp != MlpKind::kPlain;
  if (!kind.empty()) {
    arguments["act_layer"] = gated ? "silu" : activation_named(config);
    arguments["no_embed_class"] = kind == "dinov2_with_registers";
    made["block"] = kVitBlock;
  }
  if (const auto eps = config.number("layer_norm_eps")) made["norm_eps"] = *eps;
  std::optional<std::array<int64_t, 2>> built = config.size("image_size"), input = built;
  const Path beside = checkpoint.weights.parent_path() / "preprocessor_config.json";
  std::error_code error;
  if (checkpoint.config_path != checkpoint.weights && std::filesystem::exists(beside, error)) {
    const Json said = read_json(beside, "config");
    if (!said.is_object()) throw InputError(fmt::format("config {}: expected an object", beside.string()));
    const Pictures pictures(beside, said);
    pretrained = pictures.pretrained();
    input = pictures.input().has_value() ? pictures.input() : built;
  }
  if (built) arguments["img_size"] = *built;
  if (input) pretrained["input_size"] = {3, (*input)[0], (*input)[1]};
  if (input != built) arguments["dynamic_img_size"] = true;
  const Tensor head = find_tensor(tensors, "head.weight");
  const int64_t classes = head.defined() && head.dim() == 2 ? head.size(0) : 0;
  made["num_classes"] = classes;
  if (const Json names = class_names(checkpoint.config, classes); !names.is_null())
    made["label_names"] = names;
  if (const auto name = timm_name(tensors, kind, input ? (*input)[0] : 0)) made["architecture"] = *name;
  made["global_pool"] = "token";
  made["model_args"] = arguments;
  made["pretrained_cfg"] = pretrained;
  return made;
}

}  // namespace normgraft
