#include "vit_tensors.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <vector>

#include "normgraft/core/error.h"
#include "normgraft/network/kernels.h"

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
  check_activation(c.activation);
  require(c.class_token || c.average_pool, "without a class token the pooling must be the average");
  require(!c.distilled || (c.class_token && !c.average_pool),
          "a distillation token needs a class token and token pooling");
}

int64_t patch_count(const VitConfig& c) {
  return (c.height / c.patch_height) * (c.width / c.patch_width);
}

std::string block_name(int64_t block, std::string_view part) {
  return fmt::format("blocks.{}.{}", block, part);
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
  expected.required["pos_embed"] = {1, patch_count(c) + (c.position_after_class_token ? vit_prefix_tokens(c) : 0),
                                    d};
  if (c.class_token) expected.required["cls_token"] = {1, 1, d};
  if (c.distilled) expected.required["dist_token"] = {1, 1, d};
  if (c.register_tokens > 0) expected.required["reg_token"] = {1, c.register_tokens, d};
  if (c.pre_norm) expect_norm(expected, "norm_pre", d);
  for (int64_t i = 0; i < c.depth; ++i) expect_block(expected, i, d, hidden_size(tensors, i, d));
  expect_norm(expected, vit_last_norm(c), d);
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

}  // namespace

void check_vit(const VitConfig& config, const Tensors& tensors) {
  check_config(config);
  const Expected expected = expected_tensors(config, tensors);
  check_names(expected, tensors);
  check_shapes(expected.required, tensors);
  check_shapes(expected.optional, tensors);
}

int64_t vit_prefix_tokens(const VitConfig& c) {
  return (c.class_token ? 1 : 0) + (c.distilled ? 1 : 0) + c.register_tokens;
}

std::string vit_last_norm(const VitConfig& c) {
  return c.average_pool && !c.norm_before_pool ? "fc_norm" : "norm";
}

}  // namespace normgraft
