#include "hugging_face.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "hugging_face_config.h"
#include "normgraft/core/error.h"
#include "vit_tensors.h"

namespace normgraft {
namespace {

constexpr std::string_view kPatches = "embeddings.patch_embeddings.projection.weight";
constexpr std::string_view kLayer = "encoder.layer.";

using Renaming = std::pair<std::string_view, std::string_view>;

constexpr std::array<Renaming, 6> kNames = {{
    {"embeddings.cls_token", "cls_token"},
    {"embeddings.mask_token", "mask_token"},
    {"embeddings.register_tokens", "reg_token"},
    {"embeddings.position_embeddings", "pos_embed"},
    {"embeddings.patch_embeddings.projection.", "patch_embed.proj."},
    {"layernorm.", "norm."},
}};

/// Within a block. What stands first is looked for first.
constexpr std::array<Renaming, 11> kNamesOfBlock = {{
    {"attention.output.dense.", "attn.proj."},
    {"layernorm_before.", "norm1."},
    {"layernorm_after.", "norm2."},
    {"norm1.", "norm1."},
    {"norm2.", "norm2."},
    {"intermediate.dense.", "mlp.fc1."},
    {"output.dense.", "mlp.fc2."},
    {"mlp.weights_in.", "mlp.fc1."},
    {"mlp.weights_out.", "mlp.fc2."},
    {"mlp.", "mlp."},
    {"layer_scale", "ls"},
}};

constexpr std::array kQueryKeyValue = {"query", "key", "value"};

/// `name` with the beginning that one of the pairs knows exchanged; nothing where none does.
template <size_t kCount>
std::optional<std::string> renamed(std::string_view name, const std::array<Renaming, kCount>& names) {
  for (const auto& [from, to] : names) {
    if (name.starts_with(from)) return std::string(to) + std::string(name.substr(from.size()));
  }
  return std::nullopt;
}

/// What stands before the names of a base model within one with a head: "vit.", or nothing.
std::optional<std::string> base_prefix(const Tensors& tensors) {
  for (const auto& [name, tensor] : tensors) {
    if (!name.ends_with(kPatches)) continue;
    const std::string prefix = name.substr(0, name.size() - kPatches.size());
    if (prefix.find('.') == prefix.rfind('.')) return prefix;
  }
  return std::nullopt;
}

class Translation {
 public:
  Translation(const Tensors& tensors, std::string prefix, Path file)
      : from_(tensors), prefix_(std::move(prefix)), file_(std::move(file)) {}

  Tensors translated() {
    for (const auto& [name, tensor] : from_) {
      if (name.starts_with(prefix_)) {
        base(name.substr(prefix_.size()), tensor);
      } else {
        head(name, tensor);
      }
    }
    place_tokens();
    return std::move(to_);
  }

  bool has_pooler() const { return has_pooler_; }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(fmt::format("checkpoint {}: {}", file_.string(), what));
  }

  void head(const std::string& name, const Tensor& tensor) {
    constexpr std::array<Renaming, 3> kHeads = {
        {{"classifier.", "head."}, {"cls_classifier.", "head."}, {"distillation_classifier.", "head_dist."}}};
    // The names of a base model without a prefix are seen by base().
    to_[renamed(name, kHeads).value_or(name)] = tensor;
  }

  void base(const std::string& name, const Tensor& tensor) {
    if (name.starts_with("pooler.")) {
      has_pooler_ = true;
    } else if (name == "embeddings.distillation_token") {
      distillation_ = tensor;
    } else if (name.starts_with(kLayer)) {
      block(name, tensor);
    } else if (const auto to = renamed(name, kNames)) {
      to_[*to] = tensor;
    } else {
      head(prefix_ + name, tensor);
    }
  }

  void block(const std::string& name, const Tensor& tensor) {
    const size_t dot = name.find('.', kLayer.size());
    const std::string begin = name.substr(0, dot), number = begin.substr(kLayer.size());
    const std::string part = dot == std::string::npos ? "" : name.substr(dot + 1);
    constexpr std::string_view kAttention = "attention.attention.";
    if (part.starts_with(kAttention)) {
      const std::string kind = part.substr(part.rfind('.') + 1),
                        attention = begin + "." + std::string(kAttention);
      if (part == std::string(kAttention) + "query." + kind)
        to_[fmt::format("blocks.{}.attn.qkv.{}", number, kind)] = joined(attention, kind);
      return;
    }
    auto to = renamed(part, kNamesOfBlock);
    if (to && part.starts_with("layer_scale")) {
      if (const size_t at = to->find(".lambda1"); at != std::string::npos) to->replace(at, 8, ".gamma");
    }
    to_[to ? fmt::format("blocks.{}.{}", number, *to) : prefix_ + name] = tensor;
  }

  /// Queries, keys and values as one tensor.
  Tensor joined(const std::string& attention, const std::string& kind) const {
    std::vector<Tensor> parts;
    for (const char* which : kQueryKeyValue) {
      const std::string name = prefix_ + attention + which + "." + kind;
      const auto found = from_.find(name);
      if (found == from_.end()) fail(fmt::format("tensor \"{}\" is missing", name));
      parts.push_back(found->second);
      if (parts.back().sizes() != parts.front().sizes())
        fail(fmt::format("tensor \"{}\" has another shape than the queries'", name));
    }
    return at::cat(parts, 0);
  }

  /// A distillation token that no head reads is a register; registers have no positions, so that of the class
  /// token goes into it.
  void place_tokens() {
    if (distillation_.defined())
      to_[to_.contains("head_dist.weight") ? "dist_token" : "reg_token"] = distillation_;
    if (distillation_.defined() || !to_.contains("reg_token")) return;
    const auto positions = to_.find("pos_embed"), token = to_.find("cls_token");
    const bool fits = positions != to_.end() && token != to_.end() && positions->second.dim() == 3 &&
                      token->second.dim() == 3 && positions->second.size(1) > 1 &&
                      positions->second.size(2) == token->second.size(2);
    if (!fits) fail("cls_token and position_embeddings do not fit each other");
    token->second = token->second + positions->second.slice(1, 0, 1);
    positions->second = positions->second.slice(1, 1).contiguous();
  }

  const Tensors& from_;
  std::string prefix_;
  Path file_;
  Tensors to_;
  Tensor distillation_;
  bool has_pooler_ = false;
};

}  // namespace

bool has_hugging_face_names(const Checkpoint& checkpoint) {
  return base_prefix(checkpoint.tensors).has_value();
}

void to_timm(Checkpoint& checkpoint, Monitor& monitor) {
  Translation translation(checkpoint.tensors, *base_prefix(checkpoint.tensors), checkpoint.weights);
  Tensors tensors = translation.translated();
  if (translation.has_pooler()) {
    monitor.notice(fmt::format("checkpoint {}: the pooler behind the last norm is left out",
                               checkpoint.weights.string()));
  }
  const Tensor head = find_tensor(tensors, "head.weight"),
               patch = find_tensor(tensors, "patch_embed.proj.weight");
  if (head.defined() && head.dim() == 2 && patch.defined() && patch.dim() == 4 &&
      head.size(1) == 2 * patch.size(0)) {
    throw InputError(
        fmt::format("checkpoint {}: a head that reads the class token and the mean of the patches "
                    "is not computed, expected one of the class token, or none",
                    checkpoint.weights.string()));
  }
  checkpoint.config = timm_config_of(checkpoint, tensors);
  checkpoint.tensors = std::move(tensors);
}

}  // namespace normgraft
