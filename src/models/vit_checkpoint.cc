#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <string>

#include "family.h"
#include "normgraft/core/error.h"
#include "normgraft/models/vit.h"
#include "positions.h"
#include "timm_config.h"
#include "timm_names.h"
#include "vit_choices.h"
#include "vit_tensors.h"

namespace normgraft {
namespace {

/// What a checkpoint calls its architecture; where it has no word for it, the name of its file or folder up
/// to a dot.
struct Name {
  std::string text;
  bool said = false;
};

Name name_of(const Checkpoint& checkpoint) {
  const ConfigFields top(checkpoint.config_path, checkpoint.config);
  const std::string said = top.text("architecture").value_or("");
  const bool bare = checkpoint.config_path == checkpoint.weights;
  const Path named = bare ? checkpoint.weights : checkpoint.weights.parent_path();
  const std::string text = !said.empty() ? said : named.filename().string();
  return {text.substr(0, text.find('.')), !said.empty()};
}

/// Only the checkpoint's own word is taken for any of timm's names.
std::optional<std::string> refusal_of(const Name& name) {
  return name.said ? timm_refusal(name.text) : timm_exact_refusal(name.text);
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
  while (tensors.contains(vit_block_name(depth, "norm1.weight"))) ++depth;
  return depth;
}

/// All that the tensors say of the architecture.
void read_shapes(VitConfig& config, const Tensors& tensors, const Path& file) {
  const Tensor& patch = require_tensor(tensors, file, "patch_embed.proj.weight", 4);
  config.channels = patch.size(0);
  config.patch_height = patch.size(2);
  config.patch_width = patch.size(3);
  require_tensor(tensors, file, "blocks.0.norm1.weight", 1);
  if (config.channels == 0 || config.patch_height == 0 || config.patch_width == 0) {
    throw InputError(
        fmt::format("checkpoint {}: tensor \"patch_embed.proj.weight\" is empty", file.string()));
  }
  config.depth = count_blocks(tensors);
  config.positions = tensors.contains("pos_embed");
  config.class_token = tensors.contains("cls_token");
  config.distilled = tensors.contains("dist_token");
  config.pre_norm = tensors.contains("norm_pre.weight");
  config.patch_norm = tensors.contains("patch_embed.norm.weight");
  config.classes =
      tensors.contains("head.weight") ? require_tensor(tensors, file, "head.weight", 2).size(0) : 0;
  config.register_tokens =
      tensors.contains("reg_token") ? require_tensor(tensors, file, "reg_token", 3).size(1) : 0;
}

void read_classes(VitConfig& config, const ConfigFields& top, const ConfigFields& pretrained,
                  const ConfigFields& arguments, const Path& file, Monitor& monitor) {
  for (const ConfigFields* fields : {&pretrained, &top, &arguments}) {  // the last one that says it
    config.classes = fields->count("num_classes").value_or(config.classes);
  }
  config.class_names = top.texts("label_names");
  if (config.class_names.empty() || static_cast<int64_t>(config.class_names.size()) == config.classes) return;
  monitor.notice(fmt::format("config {}: {} label_names for {} classes are not used", file.string(),
                             config.class_names.size(), config.classes));
  config.class_names.clear();
}

std::string why_not_vit(const Checkpoint& checkpoint) {
  if (refusal_of(name_of(checkpoint))) return {};  // to be refused as what it is
  for (const char* name : {"patch_embed.proj.weight", "blocks.0.norm1.weight"}) {
    if (!checkpoint.tensors.contains(name)) return fmt::format("tensor \"{}\" is missing", name);
  }
  return {};
}

Network load_vit(Checkpoint checkpoint, const ModelOptions& options, Monitor& monitor) {
  const Path& weights = checkpoint.weights;
  const Name name = name_of(checkpoint);
  if (const auto reason = refusal_of(name)) {
    throw InputError(fmt::format("checkpoint {}: architecture \"{}\" is not computed: {}", weights.string(),
                                 name.text, *reason));
  }
  const TimmFacts* facts = timm_facts(name.text);
  if (facts != nullptr && !name.said) {
    monitor.notice(fmt::format("the checkpoint does not say its architecture: taking {} for timm's \"{}\"",
                               weights.string(), name.text));
  }
  const ConfigFields top(checkpoint.config_path, checkpoint.config);
  const ConfigFields pretrained = top.within("pretrained_cfg"), arguments = top.within("model_args");
  Tensors& tensors = checkpoint.tensors;
  if (tensors.erase("mask_token") > 0) {
    monitor.notice(
        fmt::format("checkpoint {}: mask_token is left out, it serves pretraining alone", weights.string()));
  }
  VitConfig config;
  config.architecture = name.text;
  read_shapes(config, tensors, weights);
  refuse_arguments(arguments, config);
  read_classes(config, top, pretrained, arguments, checkpoint.config_path, monitor);
  settle_choices(config, tensors, top, arguments, facts, options, monitor);
  settle_positions(config, tensors, weights, {arguments, pretrained, facts}, options.input_size, monitor);
  const Preprocessing preprocessing = read_preprocessing(pretrained, config.height, config.width, monitor);
  const auto fixed = vit_fixed_norms(config, vit_blocks(tensors, config.channels));
  if (!fixed.empty())
    monitor.notice(fmt::format("norms that are no sites, and stay: {}", fmt::join(fixed, ", ")));
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
