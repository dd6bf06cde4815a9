#include "normgraft/network/kernels.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "normgraft/core/error.h"

namespace normgraft {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

constexpr int64_t kRows = 64;  // fewer rows are not worth a task

/// body(begin, end) on LibTorch's threads, which do not inherit the caller's gradient mode.
template <typename Body>
void parallel(int64_t count, int64_t grain, const Body& body) {
  at::parallel_for(0, count, grain, [&](int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;
    body(begin, end);
  });
}

/// a [R, K] times b [K, C], plus bias [C] where defined.
Tensor multiply_rows(const Tensor& a, const Tensor& b, const Tensor& bias) {
  Tensor result = at::empty({a.size(0), b.size(1)}, a.options());
  parallel(a.size(0), kRows, [&](int64_t begin, int64_t end) {
    Tensor rows = result.slice(0, begin, end);
    if (bias.defined()) {
      at::addmm_out(rows, bias, a.slice(0, begin, end), b);
    } else {
      at::mm_out(rows, a.slice(0, begin, end), b);
    }
  });
  return result;
}

class Linear : public torch::autograd::Function<Linear> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const Tensor& bias) {
    context->save_for_backward({x, weight});
    return multiply_rows(x, weight.t(), bias);
  }

  static tensor_list backward(AutogradContext* context, const tensor_list& gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor g = gradients[0].contiguous();
    tensor_list result(3);
    if (context->needs_input_grad(0)) result[0] = multiply_rows(g, saved[1], {});
    if (context->needs_input_grad(1)) result[1] = multiply_rows(g.t(), saved[0], {});
    if (context->needs_input_grad(2)) result[2] = g.sum(0);
    return result;
  }
};

/// Query, key and value, each [N, D / heads], of one head of one picture: views into qkv.
struct Head {
  Head(const Tensor& qkv, int64_t index, int64_t heads) {
    const Tensor picture = qkv.select(0, index / heads);
    const int64_t channels = picture.size(1) / 3, width = channels / heads, offset = index % heads * width;
    query = picture.slice(1, offset, offset + width);
    key = picture.slice(1, channels + offset, channels + offset + width);
    value = picture.slice(1, 2 * channels + offset, 2 * channels + offset + width);
  }
  Tensor weights(double scale) const { return at::mm(query, key.t()).mul_(scale).softmax(1); }

  Tensor query, key, value;
};

class Attention : public torch::autograd::Function<Attention> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& qkv, int64_t heads) {
    context->save_for_backward({qkv});
    context->saved_data["heads"] = heads;
    const int64_t batch = qkv.size(0), channels = qkv.size(2) / 3, width = channels / heads;
    Tensor result = at::empty({batch, qkv.size(1), channels}, qkv.options());
    parallel(batch * heads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Head head(qkv, i, heads);
        const int64_t offset = i % heads * width;
        Tensor out = result.select(0, i / heads).slice(1, offset, offset + width);
        at::mm_out(out, head.weights(scale(width)), head.value);
      }
    });
    return result;
  }

  /// The attention weights are computed again rather than kept: B x heads x N x N would dominate the memory.
  static tensor_list backward(AutogradContext* context, const tensor_list& gradients) {
    const Tensor qkv = context->get_saved_variables()[0];
    const int64_t heads = context->saved_data["heads"].toInt();
    const Tensor g = gradients[0].contiguous();
    const int64_t width = g.size(2) / heads;
    Tensor result = at::empty_like(qkv);
    parallel(qkv.size(0) * heads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const Head head(qkv, i, heads);
        Head gradient(result, i, heads);
        const int64_t offset = i % heads * width;
        const Tensor out = g.select(0, i / heads).slice(1, offset, offset + width);
        const Tensor weights = head.weights(scale(width));
        at::mm_out(gradient.value, weights.t(), out);
        const Tensor d_weights = at::mm(out, head.value.t());
        const Tensor d_scores =
            (d_weights - (d_weights * weights).sum(1, true)).mul_(weights).mul_(scale(width));
        at::mm_out(gradient.query, d_scores, head.key);
        at::mm_out(gradient.key, d_scores.t(), head.query);
      }
    });
    return {result, Tensor()};
  }

 private:
  static double scale(int64_t width) { return 1 / std::sqrt(static_cast<double>(width)); }
};

struct Activation {
  const char* name;
  Tensor (*apply)(const Tensor& x);
};

const Activation kActivations[] = {
    {"gelu", [](const Tensor& x) { return at::gelu(x); }},
    {"gelu_tanh", [](const Tensor& x) { return at::gelu(x, "tanh"); }},
    {"quick_gelu", [](const Tensor& x) { return x * at::sigmoid(1.702 * x); }},
    {"relu", [](const Tensor& x) { return at::relu(x); }},
    {"silu", [](const Tensor& x) { return at::silu(x); }},
};

const Activation& find_activation(const std::string& name) {
  std::vector<std::string> known;
  for (const Activation& activation : kActivations) {
    if (name == activation.name) return activation;
    known.emplace_back(activation.name);
  }
  throw InputError(
      fmt::format("activation \"{}\" is unknown, expected one of {}", name, fmt::join(known, ", ")));
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = weight.size(0);
  const Tensor shift = bias.defined() ? bias : at::zeros({weight.size(0)}, weight.options());
  return Linear::apply(x.reshape({-1, x.size(-1)}), weight, shift).view(shape);
}

Tensor linear(const Tensors& tensors, const LinearNames& names, const Tensor& x) {
  return linear(x, tensors.at(names.weight), find_tensor(tensors, names.bias));
}

Tensor attention(const Tensor& qkv, int64_t heads) {
  return Attention::apply(qkv, heads);
}

void check_activation(const std::string& activation) {
  find_activation(activation);
}

Tensor activate(const std::string& activation, const Tensor& x) {
  return find_activation(activation).apply(x);
}

}  // namespace normgraft
