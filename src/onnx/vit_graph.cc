#include "normgraft/onnx/vit_graph.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "normgraft/core/error.h"
#include "normgraft/emit/onnx_activations.h"
#include "normgraft/graft/scalar_function.h"
#include "normgraft/models/vit.h"
#include "normgraft/network/first_carrier.h"

namespace normgraft {
namespace {

constexpr float kLeastSquare = 1e-6F;  ///< of which the first r is the logarithm

class VitGraph {
 public:
  VitGraph(const Graft& graft, const VitConfig& config, const Expression& activation,
           const OnnxOptions& options)
      : graft_(graft),
        network_(graft.network()),
        tensors_(network_.tensors()),
        c_(config),
        activation_(activation),
        tokens_(network_.sites().front().tokens),
        prefix_(network_.architecture().prefix_tokens()),
        graph_(network_.architecture().name(), options) {}

  OnnxGraph& make() {
    OnnxValue x = embed();
    size_t site = 0;
    if (c_.pre_norm) x = norm_site(site++, x);
    for (int64_t block = 0; block < c_.depth; ++block) {
      x = attention(block, site++, x);
      x = mlp(block, site++, x);
    }
    head(site, x);
    return graph_;
  }

 private:
  int64_t patches() const { return (c_.height / c_.patch_height) * (c_.width / c_.patch_width); }

  OnnxValue constant(const std::string& name, const Tensor& values) {
    const Tensor whole = values.to(at::kFloat).contiguous();
    return graph_.floats(name, whole.sizes().vec(),
                         {whole.data_ptr<float>(), static_cast<size_t>(whole.numel())});
  }

  /// x [..., in], weight [out, in], bias [out] or undefined.
  OnnxValue product(const OnnxValue& x, const Tensor& weight, const Tensor& bias) {
    const OnnxValue y = graph_.node("MatMul", {x, constant("weight", weight.t())});
    return bias.defined() ? graph_.node("Add", {y, constant("bias", bias)}) : y;
  }

  /// By its name, LayerScale behind it folded in.
  OnnxValue linear(const std::string& name, const OnnxValue& x, const std::string& scale = {}) {
    graph_.at(name);
    const Tensor weight = tensors_.at(name + ".weight"), bias = find_tensor(tensors_, name + ".bias");
    const Tensor by = find_tensor(tensors_, scale);
    if (!by.defined()) return product(x, weight, bias);
    return product(x, weight * by.unsqueeze(1), bias.defined() ? bias * by : bias);
  }

  OnnxValue mean(const OnnxValue& x) {
    return graph_.node("ReduceMean", {x}, {{"axes", std::vector<int64_t>{-1}}, {"keepdims", int64_t{1}}});
  }

  /// y of a norm over the last dimension, of `channels`.
  OnnxValue normalise(NormKind kind, double eps, int64_t channels, const OnnxValue& x) {
    if (kind == NormKind::kLayerNorm && graph_.options().opset >= 17) {
      return graph_.node("LayerNormalization", {x, constant("ones", at::ones({channels}))},
                         {{"epsilon", static_cast<float>(eps)}});
    }
    const OnnxValue centred = kind == NormKind::kLayerNorm ? graph_.node("Sub", {x, mean(x)}) : x;
    const OnnxValue variance = mean(graph_.node("Mul", {centred, centred}));
    const OnnxValue shifted = graph_.node("Add", {variance, graph_.number(static_cast<float>(eps))});
    return graph_.node("Div", {centred, graph_.node("Sqrt", {shifted})});
  }

  /// gamma y + beta, as far as they do something.
  OnnxValue affine(const OnnxValue& y, const Tensor& gamma, const Tensor& beta) {
    const bool scales = gamma.ne(1).any().item<bool>();
    const OnnxValue scaled = scales ? graph_.node("Mul", {y, constant("gamma", gamma)}) : y;
    const bool shifts = beta.defined() && beta.ne(0).any().item<bool>();
    return shifts ? graph_.node("Add", {scaled, constant("beta", beta)}) : scaled;
  }

  /// A norm that is no site, where it is there.
  OnnxValue fixed_norm(const std::string& name, NormKind kind, double eps, const OnnxValue& x) {
    const Tensor gamma = find_tensor(tensors_, name + ".weight");
    if (!gamma.defined()) return x;
    graph_.at(name);
    return affine(normalise(kind, eps, gamma.size(0), x), gamma, find_tensor(tensors_, name + ".bias"));
  }

  OnnxValue norm_site(size_t index, const OnnxValue& x) {
    const Site& site = network_.sites()[index];
    graph_.at(site.name);
    return affine(
        graft_.has_function(index) ? function(index, x) : normalise(site.kind, site.eps, site.channels, x),
        tensors_.at(site.gamma), find_tensor(tensors_, site.beta));
  }

  OnnxValue function(size_t index, const OnnxValue& x) {
    const Expression f = with_constants(graft_.expression(index), graft_.constants(index));
    if (!f.reads(Op::kR)) return graph_.function(f, x);
    const Carried& carried = network_.sites()[index].carried;
    const OnnxValue r = graph_.slice(x, 2, 0, 1);
    return graph_.function(f, x,
                           graph_.clip(r, static_cast<float>(carried.low), static_cast<float>(carried.high)));
  }

  OnnxValue embed() {
    const OnnxValue pictures = graph_.input("pictures", OnnxType::kFloat, {3, c_.height, c_.width});
    graph_.at("patch_embed.proj");
    std::vector<OnnxValue> inputs = {pictures, constant("weight", tensors_.at("patch_embed.proj.weight"))};
    const Tensor bias = find_tensor(tensors_, "patch_embed.proj.bias");
    if (bias.defined()) inputs.push_back(constant("bias", bias));
    const std::vector<int64_t> patch = {c_.patch_height, c_.patch_width};
    const OnnxValue map = graph_.node("Conv", inputs, {{"kernel_shape", patch}, {"strides", patch}});
    OnnxValue x = graph_.transpose(graph_.reshape(map, {c_.channels, patches()}), {0, 2, 1});
    const bool shifted = tensors_.contains("patch_embed.norm.bias");
    x = fixed_norm("patch_embed.norm", shifted ? NormKind::kLayerNorm : NormKind::kRmsNorm, c_.patch_norm_eps,
                   x);
    graph_.at("tokens");
    x = graph_.pad_rows(x, prefix_);
    x = graph_.node("Add", {x, constant("table", table())});
    return tells_first_spread(tensors_) ? first_spread(x) : x;
  }

  /// What is added to the patches and to rows of zeros ahead of them [N, D].
  Tensor table() const {
    std::vector<Tensor> parts;
    for (const char* name : {"cls_token", "dist_token", "reg_token"}) {
      const Tensor token = find_tensor(tensors_, name);
      if (token.defined()) parts.push_back(token.view({-1, c_.channels}));
    }
    parts.push_back(at::zeros({patches(), c_.channels}));
    Tensor table = at::cat(parts);
    const Tensor positions = find_tensor(tensors_, "pos_embed");
    if (positions.defined()) table.slice(0, tokens_ - positions.size(1)) += positions.squeeze(0);
    return table;
  }

  OnnxValue first_spread(const OnnxValue& x) {
    graph_.at("carrier");
    const OnnxValue projected =
        graph_.node("MatMul", {x, constant("projections", tensors_.at(kFirstProjections).t())});
    const OnnxValue squares = graph_.node("Mul", {projected, projected});
    const OnnxValue weighed =
        graph_.node("MatMul", {squares, constant("scales", tensors_.at(kFirstScales).unsqueeze(1))});
    const OnnxValue sum =
        graph_.node("Add", {weighed, constant("numbers", tensors_.at(kFirstNumbers).unsqueeze(1))});
    const OnnxValue logarithm = graph_.node("Log", {graph_.node("Max", {sum, graph_.number(kLeastSquare)})});
    const OnnxValue r = graph_.node("Mul", {logarithm, graph_.number(0.5F)});
    const OnnxValue told = graph_.node("Add", {graph_.slice(x, 2, 0, 1), r});
    return graph_.with_channel_0(x, told, c_.channels);
  }

  /// x of the tokens that are read from the last block's attention on; all of them elsewhere.
  OnnxValue tokens_read(int64_t block, const OnnxValue& x) {
    const int64_t read = pooled() ? 0 : network_.architecture().tokens_read();
    return block + 1 < c_.depth || read == 0 ? x : graph_.slice(x, 1, 0, read);
  }

  bool pooled() const { return c_.pooling != Pooling::kToken; }

  OnnxValue by_head(const OnnxValue& x, const std::vector<int64_t>& order) {
    return graph_.transpose(graph_.reshape(x, {tokens_, c_.heads, c_.channels / c_.heads}), order);
  }

  OnnxValue attention(int64_t block, size_t site, const OnnxValue& x) {
    const auto part = [block](const char* name) { return fmt::format("blocks.{}.attn{}", block, name); };
    const OnnxValue y = norm_site(site, x);
    graph_.at(part(".qkv"));
    const double scale = 1 / std::sqrt(static_cast<double>(c_.channels / c_.heads));
    const bool normed = tensors_.contains(part(".q_norm.weight"));
    Tensor weight = tensors_.at(part(".qkv.weight")).clone(), bias = find_tensor(tensors_, part(".qkv.bias"));
    if (!normed) {
      weight.slice(0, 0, c_.channels) *= scale;
      if (bias.defined()) bias = bias.clone();
      if (bias.defined()) bias.slice(0, 0, c_.channels) *= scale;
    }
    const std::vector<OnnxValue> parts =
        graph_.nodes("Split", {product(y, weight, bias)}, 3, {{"axis", int64_t{2}}});
    graph_.at(part(""));
    OnnxValue query = by_head(parts[0], {0, 2, 1, 3}),
              key = by_head(parts[1], {0, 2, normed ? 1 : 3, normed ? 3 : 1});
    if (normed) {
      query = fixed_norm(part(".q_norm"), c_.norm, c_.eps, query);
      query = graph_.node("Mul", {query, graph_.number(static_cast<float>(scale))});
      key = graph_.transpose(fixed_norm(part(".k_norm"), c_.norm, c_.eps, key), {0, 1, 3, 2});
      graph_.at(part(""));
    }
    const OnnxValue value = by_head(parts[2], {0, 2, 1, 3});
    const OnnxValue weights =
        graph_.node("Softmax", {graph_.node("MatMul", {query, key})}, {{"axis", int64_t{-1}}});
    const OnnxValue mixed = graph_.transpose(graph_.node("MatMul", {weights, value}), {0, 2, 1, 3});
    const OnnxValue attended = tokens_read(block, graph_.reshape(mixed, {tokens_, c_.channels}));
    const OnnxValue inside = fixed_norm(part(".norm"), c_.norm, c_.eps, attended);
    const OnnxValue written = linear(part(".proj"), inside, fmt::format("blocks.{}.ls1.gamma", block));
    return graph_.node("Add", {tokens_read(block, x), written});
  }

  OnnxValue mlp(int64_t block, size_t site, const OnnxValue& x) {
    const auto part = [block](const char* name) { return fmt::format("blocks.{}.mlp.{}", block, name); };
    const OnnxValue hidden = linear(part("fc1"), norm_site(site, x));
    graph_.at(part("act"));
    const OnnxValue inside = fixed_norm(part("norm"), c_.norm, c_.eps, graph_.function(activation_, hidden));
    const OnnxValue written = linear(part("fc2"), inside, fmt::format("blocks.{}.ls2.gamma", block));
    return graph_.node("Add", {x, written});
  }

  /// [B, N, D] -> [B, 1, D]; the mean over tokens is a product with a constant.
  OnnxValue pool(const OnnxValue& x) {
    if (!pooled()) return x;
    graph_.at("pool");
    const int64_t first = c_.pool_all_tokens ? 0 : prefix_;
    Tensor shares = at::zeros({1, tokens_});
    shares.slice(1, first).fill_(1.0 / static_cast<double>(tokens_ - first));
    const auto average = [&] { return graph_.node("MatMul", {constant("shares", shares), x}); };
    if (c_.pooling == Pooling::kAverage) return average();
    const OnnxValue patches = first == 0 ? x : graph_.slice(x, 1, first, tokens_);
    const OnnxValue largest =
        graph_.node("ReduceMax", {patches}, {{"axes", std::vector<int64_t>{1}}, {"keepdims", int64_t{1}}});
    if (c_.pooling == Pooling::kMax) return largest;
    return graph_.node("Mul", {graph_.node("Add", {largest, average()}), graph_.number(0.5F)});
  }

  void head(size_t site, const OnnxValue& x) {
    OnnxValue y = c_.norm_behind_pooling ? norm_site(site, pool(x)) : pool(norm_site(site, x));
    graph_.at("head");
    if (c_.classes == 0) {
      if (c_.distilled) y = graph_.node("MatMul", {constant("halves", at::full({1, 2}, 0.5)), y});
      graph_.output("features", graph_.reshape(y, {c_.channels}), {c_.channels});
      return;
    }
    const OnnxValue features = graph_.reshape(y, {(c_.distilled ? 2 : 1) * c_.channels});
    Tensor weight = tensors_.at("head.weight"), bias = find_tensor(tensors_, "head.bias");
    if (c_.distilled) {  // the mean of both heads is one Linear of both tokens
      weight = at::cat({weight, tensors_.at("head_dist.weight")}, 1) / 2;
      bias = (bias + tensors_.at("head_dist.bias")) / 2;
    }
    graph_.output("logits", product(features, weight, bias), {c_.classes});
  }

  const Graft& graft_;
  const Network& network_;
  const Tensors& tensors_;
  const VitConfig& c_;
  const Expression& activation_;
  int64_t tokens_, prefix_;
  OnnxGraph graph_;
};

std::string why_not_onnx(const Graft& graft, const VitConfig* config) {
  if (config == nullptr) return "is no Vision Transformer, which alone is supported";
  if (config->pooling == Pooling::kAttention) return "pools by attention, which is not supported so far";
  const Tensors& tensors = graft.network().tensors();
  const Tensor fc1 = find_tensor(tensors, "blocks.0.mlp.fc1.weight");
  if (!fc1.defined() || fc1.size(0) != tensors.at("blocks.0.mlp.fc2.weight").size(1))
    return "has gated MLPs, which are not supported so far";
  for (size_t site = 0; site < graft.network().sites().size(); ++site) {
    const Site& at = graft.network().sites()[site];
    if (!at.carried.channel || graft.has_function(site)) continue;
    return fmt::format("keeps its norm at \"{}\", expected a function where a channel tells r", at.name);
  }
  return {};
}

}  // namespace

OnnxExport write_onnx(const Graft& graft, const OnnxOptions& options, const std::string& source,
                      const Path& path) {
  const at::NoGradGuard no_grad;
  const VitConfig* config = vit_config(graft.network());
  const std::string fault = why_not_onnx(graft, config);
  if (!fault.empty()) {
    throw InputError(fmt::format("export --to onnx: {} {}", graft.network().architecture().name(), fault));
  }
  const Graft own = folded_copy(graft);
  VitGraph maker(own, *config, onnx_activation(config->activation), options);
  OnnxGraph& graph = maker.make();
  Json functions = Json::object();
  for (const auto& [site, f] : graft.functions()) functions[site] = f.to_string();
  graph.describe({source, functions, graft.network().preprocessing(), /*normalised=*/true,
                  graft.network().architecture().class_names()});
  return graph.write(path);
}

Graft with_gelu_by_tanh(const Graft& graft) {
  const Network& network = graft.network();
  const VitConfig* config = vit_config(network);
  if (config == nullptr || config->activation != "gelu") {
    throw InputError(fmt::format("export --gelu tanh: the activation of {} is {}, expected gelu",
                                 network.architecture().name(),
                                 config == nullptr ? "not known" : config->activation));
  }
  VitConfig by_tanh = *config;
  by_tanh.activation = "gelu_tanh";
  Tensors tensors = network.tensors();
  const Tensors carrier = take_first_carrier(tensors);
  Network made = make_vit(by_tanh, network.preprocessing(), std::move(tensors));
  for (size_t site = 0; site < network.sites().size(); ++site)
    made.set_carried(site, network.sites()[site].carried);
  set_first_carrier(made, carrier);
  Graft copy(std::move(made));
  const FunctionFile file = graft.function_file();
  std::vector<std::string> sites;
  for (const auto& [site, f] : file.functions) sites.push_back(site);
  if (!sites.empty()) copy.set_functions(file, sites);
  return copy;
}

}  // namespace normgraft
