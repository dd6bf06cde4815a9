#include "vit_choices.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "vit_save.h"

namespace normgraft {
namespace {

constexpr double kDefaultEps = 1e-6;  // of timm's norms, where their layer is given by name
constexpr double kClipEps = 1e-5;
constexpr int64_t kDefaultHeadWidth = 64;

/// One choice and where it may come from.
template <typename T>
struct Choice {
  const char* what;
  std::optional<T> said;  ///< by the config
  std::optional<T> option;
  std::optional<T> named;  ///< by timm's name of the architecture
  T guess;
  std::string grounds;  ///< of the guess, "as most networks"
};

class Settler {
 public:
  Settler(const std::string& architecture, const TimmFacts* facts, Monitor& monitor)
      : architecture_(architecture), facts_(facts), monitor_(monitor) {}

  template <typename T>
  T operator()(const Choice<T>& choice) const {
    if (choice.said) {
      if (choice.option && *choice.option != *choice.said) {
        monitor_.notice(fmt::format("option {} {} is not used: the checkpoint's config says {}", choice.what,
                                    *choice.option, *choice.said));
      }
      return *choice.said;
    }
    if (choice.option) {
      if (choice.named && *choice.named != *choice.option) {
        monitor_.notice(fmt::format("option {} {} is used, where timm's \"{}\" has {}", choice.what,
                                    *choice.option, architecture_, *choice.named));
      }
      return *choice.option;
    }
    if (choice.named) return *choice.named;
    const std::string unnamed = facts_ == nullptr
                                    ? fmt::format("timm has no architecture \"{}\"", architecture_)
                                    : fmt::format("timm's \"{}\" has other sizes", architecture_);
    monitor_.notice(fmt::format("the checkpoint does not say its {}, and {}: guessing {}, {}", choice.what,
                                unnamed, choice.guess, choice.grounds));
    return choice.guess;
  }

 private:
  const std::string& architecture_;
  const TimmFacts* facts_;
  Monitor& monitor_;
};

/// timm's name of a norm: upper and lower case are alike, "_" does not count.
std::optional<NormKind> norm_named(const ConfigFields& arguments, const char* argument) {
  std::optional<std::string> name = arguments.text(argument);
  if (!name || name->empty()) return std::nullopt;
  std::erase(*name, '_');
  std::transform(name->begin(), name->end(), name->begin(), [](unsigned char c) { return std::tolower(c); });
  if (*name == "layernorm" || *name == "layernormfp32") return NormKind::kLayerNorm;
  if (*name == "rmsnorm" || *name == "rmsnormfp32") return NormKind::kRmsNorm;
  arguments.fail(argument, "a LayerNorm or an RMSNorm");
}

void settle_norms(VitConfig& config, const Tensors& tensors, const ConfigFields& top,
                  const ConfigFields& arguments, const TimmFacts* facts, const ModelOptions& options,
                  const Settler& settle, Monitor& monitor) {
  const std::optional<NormKind> kind = norm_named(arguments, "norm_layer");
  const bool plain = tensors.contains("blocks.0.norm1.bias");
  if (kind) {
    config.norm = *kind;
  } else if (facts != nullptr) {
    config.norm = facts->has(TimmFacts::kRms) ? NormKind::kRmsNorm : NormKind::kLayerNorm;
  } else if (!plain) {
    config.norm = NormKind::kRmsNorm;
    monitor.notice("the checkpoint does not say its norms: guessing RMSNorm, as they have no bias");
  }
  Choice<double> eps{"eps", {}, options.eps, {}, config.pre_norm ? kClipEps : kDefaultEps, {}};
  eps.grounds =
      config.pre_norm ? "as timm's networks with a norm ahead of the blocks" : "as most of timm's networks";
  for (const ConfigFields* fields : {&arguments, &top}) {
    if (!eps.said) eps.said = fields->number("norm_eps");
  }
  if (!eps.said && kind) eps.said = kDefaultEps;
  if (facts != nullptr) eps.named = facts->eps;
  config.eps = settle(eps);
  config.patch_norm_eps = norm_named(arguments, "embed_norm_layer") ? kDefaultEps : config.eps;
}

int64_t settle_heads(const VitConfig& config, const ConfigFields& arguments, const TimmFacts* facts,
                     const ModelOptions& options, const Settler& settle) {
  Choice<int64_t> heads{"heads", arguments.count("num_heads"), options.heads, {}, 0, {}};
  const bool same_size = facts != nullptr && facts->channels == config.channels;
  if (same_size || (facts != nullptr && arguments.count("embed_dim") == config.channels))
    heads.named = facts->heads;
  const auto usual = timm_usual_heads(config.channels);
  heads.guess = usual.value_or(std::max<int64_t>(1, config.channels / kDefaultHeadWidth));
  heads.grounds = usual ? fmt::format("as timm's networks of {} channels", config.channels)
                        : fmt::format("{} channels a head", config.channels / heads.guess);
  return settle(heads);
}

std::string settle_activation(const Tensors& tensors, const VitConfig& config, const ConfigFields& arguments,
                              const TimmFacts* facts, const ModelOptions& options, const Settler& settle) {
  Choice<std::string> activation{"activation", arguments.text("act_layer"), options.activation, {}, {}, {}};
  if (activation.said == "swish") activation.said = "silu";
  if (facts != nullptr) activation.named = std::string(facts->activation);
  const bool gated = vit_blocks(tensors, config.channels).mlp != MlpKind::kPlain;
  activation.guess = gated ? "silu" : "gelu";
  activation.grounds = gated ? "as timm's networks of gated MLPs" : "as most of timm's networks";
  return settle(activation);
}

std::optional<Pooling> pooling_named(const ConfigFields& fields) {
  const auto name = fields.text("global_pool");
  if (!name) return std::nullopt;
  for (const Pooling pooling :
       {Pooling::kToken, Pooling::kAverage, Pooling::kMax, Pooling::kAverageMax, Pooling::kAttention}) {
    if (*name == timm_pooling(pooling)) return pooling;
  }
  fields.fail("global_pool", R"("token", "avg", "max", "avgmax" or "map")");
}

void settle_pooling(VitConfig& config, const Tensors& tensors, const ConfigFields& top,
                    const ConfigFields& arguments, const TimmFacts* facts, const Settler& settle) {
  config.norm_behind_pooling = tensors.contains("fc_norm.weight");
  const bool by_name = facts != nullptr && facts->has(TimmFacts::kPoolsAll);
  config.pool_all_tokens = arguments.flag("pool_include_prefix").value_or(by_name);
  const std::optional<Pooling> noted = pooling_named(top);
  std::optional<Pooling> said = pooling_named(arguments);
  if (said && noted && *noted != *said)
    top.fail("global_pool", fmt::format("\"{}\", as model_args have it", timm_pooling(*said)));
  if (!said) said = noted;
  if (!said && facts != nullptr) said = facts->pooling;
  if (said) {
    config.pooling = *said;
    return;
  }
  const bool attends = tensors.contains("attn_pool.latent");
  const bool averages = config.norm_behind_pooling || !config.class_token;
  config.pooling = attends ? Pooling::kAttention : averages ? Pooling::kAverage : Pooling::kToken;
  if (!attends) {
    settle(Choice<std::string>{
        "pooling", {}, {}, {}, timm_pooling(config.pooling), "as most networks of such tensors"});
  }
}

}  // namespace

void refuse_arguments(const ConfigFields& arguments, const VitConfig& shapes) {
  const auto attention = arguments.text("attn_layer");
  if (attention && !attention->empty() && *attention != "attn") arguments.fail("attn_layer", "\"attn\"");
  if (arguments.flag("dynamic_img_pad").value_or(false)) arguments.fail("dynamic_img_pad", "false");
  if (!arguments.flag("final_norm").value_or(true)) arguments.fail("final_norm", "true");
  for (const char* replaced : {"block_fn", "mlp_layer", "embed_layer"}) {
    if (arguments.has(replaced)) arguments.fail(replaced, "none: it is not computed");
  }
  const auto patch = arguments.size("patch_size");
  if (patch && *patch != std::array{shapes.patch_height, shapes.patch_width}) {
    arguments.fail("patch_size",
                   fmt::format("[{}, {}], as the tensors have it", shapes.patch_height, shapes.patch_width));
  }
  const std::pair<const char*, int64_t> counts[] = {
      {"in_chans", 3}, {"embed_dim", shapes.channels}, {"depth", shapes.depth}};
  for (const auto& [name, expected] : counts) {
    if (arguments.count(name).value_or(expected) != expected) {
      arguments.fail(name, fmt::format("{}, as the tensors have it", expected));
    }
  }
}

void settle_choices(VitConfig& config, const Tensors& tensors, const ConfigFields& top,
                    const ConfigFields& arguments, const TimmFacts* facts, const ModelOptions& options,
                    Monitor& monitor) {
  const std::optional<std::string> block = top.text("block");
  if (block && *block != kVitBlock) top.fail("block", fmt::format("\"{}\"", kVitBlock));
  if (facts == nullptr && !block) {
    monitor.notice(fmt::format(
        "timm has no architecture \"{}\": its blocks are taken for an ordinary Vision Transformer's",
        config.architecture));
  }
  const Settler settle(config.architecture, facts, monitor);
  settle_norms(config, tensors, top, arguments, facts, options, settle, monitor);
  config.heads = settle_heads(config, arguments, facts, options, settle);
  config.activation = settle_activation(tensors, config, arguments, facts, options, settle);
  settle_pooling(config, tensors, top, arguments, facts, settle);
}

}  // namespace normgraft
