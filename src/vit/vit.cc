#include "normgraft/vit/vit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>

#include "kernels.h"
#include "normgraft/core/error.h"
#include "normgraft/vit/batches.h"

namespace normgraft {
namespace {

using Shape = std::vector<int64_t>;

constexpr size_t kNamesShown = 5;

struct Expected {
  std::map<std::string, Shape> required;
  std::map<std::string, Shape> optional;
};

void check_config(const VitConfig& c) {
  const auto require = [](bool holds, const std::string& what) {
    if (!holds) throw InputError("model configuration: " + what);
  };
  const auto positive = [&](const char* name, int64_t value) {
    require(value > 0, fmt::format("{} is {}, expected at least 1", name, value));
  };
  positive("height", c.height);
  positive("width", c.width);
  positive("patch height", c.patch_height);
  positive("patch width", c.patch_width);
  positive("channels", c.channels);
  positive("depth", c.depth);
  positive("heads", c.heads);
  require(c.classes >= 0 && c.register_tokens >= 0,
          "the numbers of classes and register tokens cannot be negative");
  require(c.channels % c.heads == 0,
          fmt::format("{} channels cannot be divided among {} heads", c.channels, c.heads));
  require(c.height >= c.patch_height && c.width >= c.patch_width,
          fmt::format("input {}x{} is smaller than a patch of {}x{}", c.height, c.width, c.patch_height,
                      c.patch_width));
  require(c.eps >= 0, fmt::format("eps is {}, expected at least 0", c.eps));
  constexpr std::array kActivations = {"gelu", "gelu_tanh", "quick_gelu", "relu"};
  require(std::find(kActivations.begin(), kActivations.end(), c.activation) != kActivations.end(),
          fmt::format("activation \"{}\" is unknown, expected one of {}", c.activation,
                      fmt::join(kActivations, ", ")));
  require(c.class_token || c.average_pool, "without a class token the pooling must be the average");
  require(!c.distilled || (c.class_token && !c.average_pool),
          "a distillation token needs a class token and token pooling");
}

int64_t patch_count(const VitConfig& c) {
  return (c.height / c.patch_height) * (c.width / c.patch_width);
}

int64_t prefix_tokens(const VitConfig& c) {
  return (c.class_token ? 1 : 0) + (c.distilled ? 1 : 0) + c.register_tokens;
}

std::string block_name(int64_t block, std::string_view part) {
  return fmt::format("blocks.{}.{}", block, part);
}

std::string last_norm(const VitConfig& c) {
  return c.average_pool && !c.norm_before_pool ? "fc_norm" : "norm";
}

void expect_norm(Expected& expected, const std::string& name, int64_t channels) {
  expected.required[name + ".weight"] = {channels};
  expected.required[name + ".bias"] = {channels};
}

void expect_linear(Expected& expected, const std::string& name, int64_t in, int64_t out) {
  expected.required[name + ".weight"] = {out, in};
  expected.required[name + ".bias"] = {out};
}

void expect_block(Expected& expected, int64_t block, int64_t d, int64_t hidden) {
  expect_norm(expected, block_name(block, "norm1"), d);
  expected.required[block_name(block, "attn.qkv.weight")] = {3 * d, d};
  expected.optional[block_name(block, "attn.qkv.bias")] = {3 * d};
  expect_linear(expected, block_name(block, "attn.proj"), d, d);
  expect_norm(expected, block_name(block, "norm2"), d);
  expect_linear(expected, block_name(block, "mlp.fc1"), d, hidden);
  expect_linear(expected, block_name(block, "mlp.fc2"), hidden, d);
  expected.optional[block_name(block, "ls1.gamma")] = {d};
  expected.optional[block_name(block, "ls2.gamma")] = {d};
}

int64_t hidden_size(const Tensors& tensors, int64_t block, int64_t d) {
  const auto fc1 = tensors.find(block_name(block, "mlp.fc1.weight"));
  return fc1 != tensors.end() && fc1->second.dim() == 2 ? fc1->second.size(0) : 4 * d;
}

Expected expected_tensors(const VitConfig& c, const Tensors& tensors) {
  const int64_t d = c.channels;
  Expected expected;
  expected.required["patch_embed.proj.weight"] = {d, 3, c.patch_height, c.patch_width};
  expected.optional["patch_embed.proj.bias"] = {d};
  expected.required["pos_embed"] = {1, patch_count(c) + (c.position_after_class_token ? prefix_tokens(c) : 0),
                                    d};
  if (c.class_token) expected.required["cls_token"] = {1, 1, d};
  if (c.distilled) expected.required["dist_token"] = {1, 1, d};
  if (c.register_tokens > 0) expected.required["reg_token"] = {1, c.register_tokens, d};
  if (c.pre_norm) expect_norm(expected, "norm_pre", d);
  for (int64_t i = 0; i < c.depth; ++i) expect_block(expected, i, d, hidden_size(tensors, i, d));
  expect_norm(expected, last_norm(c), d);
  if (c.classes > 0) expect_linear(expected, "head", d, c.classes);
  if (c.classes > 0 && c.distilled) expect_linear(expected, "head_dist", d, c.classes);
  return expected;
}

std::string first_few(const std::vector<std::string>& names) {
  const size_t shown = std::min(names.size(), kNamesShown);
  const std::string list = fmt::format("{}", fmt::join(names.begin(), names.begin() + shown, ", "));
  return shown == names.size() ? list : fmt::format("{} and {} more", list, names.size() - shown);
}

void check_names(const Expected& expected, const Tensors& tensors) {
  std::vector<std::string> missing;
  for (const auto& [name, shape] : expected.required) {
    if (!tensors.contains(name)) missing.push_back(name);
  }
  std::vector<std::string> unknown;
  for (const auto& [name, tensor] : tensors) {
    if (!expected.required.contains(name) && !expected.optional.contains(name)) unknown.push_back(name);
  }
  if (!missing.empty()) {
    throw InputError(fmt::format(
        "not a Vision Transformer of this kind: {} tensors are missing: {}{}", missing.size(),
        first_few(missing), unknown.empty() ? "" : fmt::format("; not understood: {}", first_few(unknown))));
  }
  if (!unknown.empty()) {
    throw InputError(fmt::format("not a Vision Transformer of this kind: {} tensors are not understood: {}",
                                 unknown.size(), first_few(unknown)));
  }
}

void check_shapes(const std::map<std::string, Shape>& shapes, const Tensors& tensors) {
  for (const auto& [name, shape] : shapes) {
    const auto found = tensors.find(name);
    if (found != tensors.end() && found->second.sizes() != shape) {
      throw InputError(fmt::format("tensor \"{}\" has shape [{}], expected [{}]", name,
                                   fmt::join(found->second.sizes(), ", "), fmt::join(shape, ", ")));
    }
  }
}

void check_finite(const Tensors& tensors) {
  for (const auto& [name, tensor] : tensors) {
    if (!torch::isfinite(tensor).all().item<bool>()) {
      throw InputError(fmt::format("tensor \"{}\" holds a value that is not finite", name));
    }
  }
}

std::vector<NormSite> norm_sites(const VitConfig& c) {
  std::vector<NormSite> sites;
  if (c.pre_norm) sites.push_back({"norm_pre", "", "", ""});
  const auto behind_mlp = [](int64_t block, const std::string& name, const std::string& next) {
    return block == 0
               ? NormSite{name, next, "", ""}
               : NormSite{name, next, block_name(block - 1, "mlp.fc2"), block_name(block - 1, "ls2.gamma")};
  };
  for (int64_t i = 0; i < c.depth; ++i) {
    sites.push_back(behind_mlp(i, block_name(i, "norm1"), block_name(i, "attn.qkv")));
    sites.push_back({block_name(i, "norm2"), block_name(i, "mlp.fc1"), block_name(i, "attn.proj"),
                     block_name(i, "ls1.gamma")});
  }
  sites.push_back(behind_mlp(c.depth, last_norm(c), c.classes > 0 ? "head" : ""));
  return sites;
}

/// [B, 3, height, width] -> the pixels of each patch [B, patches, 3 * patch height * patch width]; what is
/// left of the picture to the right and below is not seen.
torch::Tensor patches(const VitConfig& c, const torch::Tensor& images) {
  const int64_t batch = images.size(0), ph = c.patch_height, pw = c.patch_width;
  const int64_t rows = c.height / ph, columns = c.width / pw;
  return images.slice(2, 0, rows * ph)
      .slice(3, 0, columns * pw)
      .reshape({batch, 3, rows, ph, columns, pw})
      .permute({0, 2, 4, 1, 3, 5})
      .reshape({batch, rows * columns, 3 * ph * pw});
}

/// Scales the kept pictures' branches so that the expectation stays.
torch::Tensor drop_pictures(const torch::Tensor& branch, double probability) {
  if (probability <= 0) return branch;
  const double keep = 1 - probability;
  torch::Tensor mask = torch::empty({branch.size(0), 1, 1}, branch.options()).bernoulli_(keep);
  return branch * mask.div_(keep);
}

}  // namespace

Vit::Vit(VitConfig config, Preprocessing preprocessing, Tensors tensors)
    : config_(std::move(config)), preprocessing_(std::move(preprocessing)), tensors_(std::move(tensors)) {
  check_config(config_);
  const Expected expected = expected_tensors(config_, tensors_);
  check_names(expected, tensors_);
  check_shapes(expected.required, tensors_);
  check_shapes(expected.optional, tensors_);
  for (auto& [name, tensor] : tensors_) tensor = tensor.to(torch::kFloat).contiguous();
  check_finite(tensors_);
  if (preprocessing_.height != config_.height || preprocessing_.width != config_.width) {
    throw InputError(fmt::format("preprocessing to {}x{} does not fit the model's input of {}x{}",
                                 preprocessing_.height, preprocessing_.width, config_.height, config_.width));
  }
  sites_ = norm_sites(config_);
  normalizers_.resize(sites_.size());
}

int64_t Vit::parameter_count() const {
  int64_t count = 0;
  for (const auto& [name, tensor] : tensors_) count += tensor.numel();
  return count;
}

int64_t Vit::prefix_tokens() const {
  return normgraft::prefix_tokens(config_);
}

int64_t Vit::tokens() const {
  return patch_count(config_) + prefix_tokens();
}

void Vit::set_normalizer(size_t site, Normalizer normalizer) {
  normalizers_.at(site) = std::move(normalizer);
}

void Vit::to(torch::Device device) {
  for (auto& [name, tensor] : tensors_) tensor = tensor.to(device);
}

const torch::Tensor& Vit::tensor(const std::string& name) const {
  return tensors_.at(name);
}

torch::Tensor Vit::optional_tensor(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? torch::Tensor() : found->second;
}

torch::Tensor Vit::linear(const std::string& name, const torch::Tensor& x) const {
  return normgraft::linear(x, tensor(name + ".weight"), optional_tensor(name + ".bias"));
}

torch::Tensor Vit::norm(size_t site, const torch::Tensor& x, const Observer& observer) const {
  const torch::Tensor& gamma = tensor(sites_[site].name + ".weight");
  const torch::Tensor& beta = tensor(sites_[site].name + ".bias");
  const Normalizer& normalizer = normalizers_[site];
  if (!normalizer && !observer) return at::layer_norm(x, {config_.channels}, gamma, beta, config_.eps);
  const torch::Tensor y =
      normalizer ? normalizer(x) : at::layer_norm(x, {config_.channels}, {}, {}, config_.eps);
  if (observer) observer(site, x, y);
  return torch::addcmul(beta, y, gamma);
}

torch::Tensor Vit::branch(size_t site, const torch::Tensor& x, const Observer& observer) const {
  const torch::Tensor read = linear(sites_[site].next_linear, norm(site, x, observer));
  const bool attends = site % 2 == (config_.pre_norm ? 1 : 0);
  return attends ? attention(read, config_.heads) : activate(config_.activation, read);
}

torch::Tensor Vit::block(int64_t index, const torch::Tensor& x, const Observer& observer) const {
  const size_t site = static_cast<size_t>((config_.pre_norm ? 1 : 0) + 2 * index);
  const double drop = config_.depth > 1
                          ? drop_path_ * static_cast<double>(index) / static_cast<double>(config_.depth - 1)
                          : 0;
  const auto add_branch = [&](const torch::Tensor& trunk, torch::Tensor branch, std::string_view scale_name) {
    const torch::Tensor scale = optional_tensor(block_name(index, scale_name));
    if (scale.defined()) branch = branch * scale;
    return trunk + drop_pictures(branch, drop);
  };
  const torch::Tensor attended =
      add_branch(x, linear(block_name(index, "attn.proj"), branch(site, x, observer)), "ls1.gamma");
  return add_branch(attended, linear(block_name(index, "mlp.fc2"), branch(site + 1, attended, observer)),
                    "ls2.gamma");
}

torch::Tensor Vit::embed(const torch::Tensor& images) const {
  const torch::Tensor& weight = tensor("patch_embed.proj.weight");
  torch::Tensor x = normgraft::linear(patches(config_, images), weight.flatten(1),
                                      optional_tensor("patch_embed.proj.bias"));
  if (!config_.position_after_class_token) x = x + tensor("pos_embed");
  std::vector<torch::Tensor> parts;
  for (const char* name : {"cls_token", "dist_token", "reg_token"}) {
    const torch::Tensor token = optional_tensor(name);
    if (token.defined()) parts.push_back(token.expand({images.size(0), -1, -1}));
  }
  parts.push_back(x);
  x = torch::cat(parts, 1);
  return config_.position_after_class_token ? x + tensor("pos_embed") : x;
}

torch::Tensor Vit::classify(const torch::Tensor& x, const Observer& observer) const {
  const size_t site = sites_.size() - 1;
  const auto head = [&](const torch::Tensor& features) {
    return config_.classes > 0 ? linear("head", features) : features;
  };
  if (config_.average_pool) {
    const auto pool = [&](const torch::Tensor& t) { return t.slice(1, prefix_tokens()).mean(1); };
    return head(config_.norm_before_pool ? pool(norm(site, x, observer)) : norm(site, pool(x), observer));
  }
  // Only the tokens that the heads read need the norm, unless someone watches all of them.
  const torch::Tensor seen = observer ? x : x.slice(1, 0, config_.distilled ? 2 : 1);
  const torch::Tensor features = norm(site, seen, observer);
  if (!config_.distilled) return head(features.select(1, 0));
  const torch::Tensor first = features.select(1, 0), second = features.select(1, 1);
  return ((config_.classes > 0 ? linear("head_dist", second) : second) + head(first)) / 2;
}

torch::Tensor Vit::enter(const torch::Tensor& images) const {
  const torch::Tensor x = embed(images);
  return config_.pre_norm ? norm(0, x, {}) : x;
}

torch::Tensor Vit::forward_chunk(const torch::Tensor& images, const Observer& observer) const {
  torch::Tensor x = embed(images);
  if (config_.pre_norm) x = norm(0, x, observer);
  for (int64_t i = 0; i < config_.depth; ++i) x = block(i, x, observer);
  return classify(x, observer);
}

torch::Tensor Vit::forward(const torch::Tensor& images, const Observer& observer) const {
  const bool whole = observer || torch::GradMode::is_enabled() || !images.is_cpu() || images.size(0) == 0;
  if (whole) return forward_chunk(images, observer);
  const auto chunks = images.split(kChunk);
  std::vector<torch::Tensor> logits(chunks.size());
  parallel(chunks.size(), [&](size_t i) {
    const torch::NoGradGuard no_grad;  // LibTorch's threads do not inherit the caller's
    logits[i] = forward_chunk(chunks[i], {});
  });
  return torch::cat(logits);
}

}  // namespace normgraft
