#include "normgraft/graft/scalar_function.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

#include "normgraft/core/error.h"
#include "normgraft/expr/block.h"

namespace normgraft {
namespace {

/// Elements of a task, or one token if that has more: fixed, so that sums do not depend on threads.
constexpr int64_t kGrain = 1 << 14;

/// A function with its constants, and where its clips' bounds came in the wrong order.
struct Program : torch::CustomClassHolder {
  Program(Expression e, std::vector<size_t> c) : expression(std::move(e)), crossed(std::move(c)) {}
  Expression expression;
  std::vector<size_t> crossed;  ///< indices of the lower bounds of clips that took their bounds in turn
};

BlockEvaluator& evaluator() {
  thread_local BlockEvaluator instance;
  return instance;
}

std::span<const float> elements(const Tensor& t, int64_t begin, int64_t end) {
  return {t.data_ptr<float>() + begin, static_cast<size_t>(end - begin)};
}

std::span<float> mutable_elements(const Tensor& t, int64_t begin, int64_t end) {
  return {t.data_ptr<float>() + begin, static_cast<size_t>(end - begin)};
}

/// How elements are shared out in tasks: no token of `channels` elements lies in two.
struct Tasks {
  Tasks(int64_t elements, int64_t channels)
      : count(elements),
        size(std::max<int64_t>(1, kGrain / channels) * channels),
        tasks((elements + size - 1) / size) {}
  int64_t count, size, tasks;
};

/// Calls body(task, begin, end) for each.
template <typename Body>
void for_each_task(const Tasks& all, const Body& body) {
  at::parallel_for(0, all.tasks, 1, [&](int64_t first, int64_t last) {
    for (int64_t task = first; task < last; ++task) {
      body(task, task * all.size, std::min(all.count, (task + 1) * all.size));
    }
  });
}

/// The elements of a token that have its r in common; 1 where r is empty, as f does not read it.
int64_t channels_of(const Tensor& x, const Tensor& r) {
  return r.numel() > 0 ? std::max<int64_t>(1, x.size(-1)) : 1;
}

/// r for each of the elements from `begin` to `end`, whole tokens, until the thread asks again; nothing where
/// r is empty.
std::span<const float> spread(const Tensor& r, int64_t channels, int64_t begin, int64_t end) {
  if (r.numel() == 0) return {};
  thread_local std::vector<float> each;
  each.clear();
  for (const float value : elements(r, begin / channels, end / channels))
    each.insert(each.end(), static_cast<size_t>(channels), value);
  return each;
}

/// The sum over each token's channels.
void sum_tokens(std::span<const float> each, std::span<float> sums) {
  const size_t channels = each.size() / sums.size();
  for (size_t token = 0; token < sums.size(); ++token) {
    const auto part = each.subspan(token * channels, channels);
    sums[token] = static_cast<float>(std::accumulate(part.begin(), part.end(), 0.0));
  }
}

class FusedFunction : public torch::autograd::Function<FusedFunction> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const Tensor& constants,
                        const Tensor& r, c10::intrusive_ptr<Program> program) {
    const Tensor input = x.contiguous(), tokens = r.contiguous();
    const int64_t channels = channels_of(input, tokens);
    Tensor y = at::empty_like(input);
    for_each_task({input.numel(), channels}, [&](int64_t, int64_t begin, int64_t end) {
      evaluator().values(program->expression, elements(input, begin, end),
                         spread(tokens, channels, begin, end), mutable_elements(y, begin, end));
    });
    context->save_for_backward({input, tokens});
    context->saved_data["program"] = c10::IValue::make_capsule(std::move(program));
    context->saved_data["constants"] = constants.requires_grad();
    context->saved_data["r"] = r.requires_grad();
    return y;
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context,
                                               torch::autograd::tensor_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &r = saved[1];
    const auto program =
        c10::static_intrusive_pointer_cast<Program>(context->saved_data["program"].toCapsule());
    const Tensor g = gradients[0].contiguous();
    const auto constant_count =
        context->saved_data["constants"].toBool() ? program->expression.constant_count() : size_t{0};
    const int64_t channels = channels_of(x, r);
    const Tasks all(x.numel(), channels);

    Tensor dx = at::empty_like(x), dr;
    if (context->saved_data["r"].toBool()) dr = at::zeros_like(r);
    std::vector<double> partial(static_cast<size_t>(all.tasks) * constant_count, 0.0);
    for_each_task(all, [&](int64_t task, int64_t begin, int64_t end) {
      const std::span<double> dc(partial.data() + static_cast<size_t>(task) * constant_count, constant_count);
      thread_local std::vector<float> dr_each;
      dr_each.resize(dr.defined() ? static_cast<size_t>(end - begin) : 0);
      evaluator().backward(program->expression, elements(x, begin, end), spread(r, channels, begin, end),
                           elements(g, begin, end), mutable_elements(dx, begin, end), dr_each, dc);
      if (dr.defined()) sum_tokens(dr_each, mutable_elements(dr, begin / channels, end / channels));
    });

    Tensor dc;
    if (context->saved_data["constants"].toBool()) {
      dc = at::from_blob(partial.data(), {all.tasks, static_cast<int64_t>(constant_count)}, at::kDouble)
               .sum(0)
               .to(at::kFloat);
      for (const size_t lower : program->crossed) {
        float* bound = dc.data_ptr<float>() + lower;
        std::swap(bound[0], bound[1]);
      }
    }
    return {dx, dc, dr, Tensor()};
  }
};

Tensor apply(Op op, const Tensor& a, const Tensor& b, const Tensor& lo, const Tensor& hi) {
  switch (op) {
    case Op::kAdd:
      return a + b;
    case Op::kSub:
      return a - b;
    case Op::kMul:
      return a * b;
    case Op::kDiv:
      return a / b;
    case Op::kMin:
      return at::minimum(a, b);
    case Op::kMax:
      return at::maximum(a, b);
    case Op::kNeg:
      return -a;
    case Op::kAbs:
      return a.abs();
    case Op::kSquare:
      return a * a;
    case Op::kClip:
      return at::minimum(at::maximum(a, lo), hi);
    case Op::kTanh:
      return a.tanh();
    case Op::kSigmoid:
      return a.sigmoid();
    case Op::kErf:
      return a.erf();
    case Op::kSqrt:
      return a.sqrt();
    case Op::kRsqrt:
      return a.rsqrt();
    case Op::kExp:
      return a.exp();
    case Op::kLog:
      return a.log();
    case Op::kExp2:
      return a.exp2();
    case Op::kLog2:
      return a.log2();
    case Op::kConstant:
    case Op::kX:
    case Op::kR:
      break;
  }
  throw std::logic_error("leaves are not applied");
}

/// f with the values of `constants`, bounds of clips in increasing order, and the lower bounds' indices of
/// clips whose bounds were not.
std::pair<Expression, std::vector<size_t>> ordered(const Expression& f, const Tensor& constants) {
  const Tensor values = constants.detach().to(at::kFloat).contiguous();
  if (values.dim() != 1 || values.numel() != static_cast<int64_t>(f.constant_count())) {
    throw InputError(fmt::format("constants of {}: {} values, expected {}", f.to_string(), values.numel(),
                                 f.constant_count()));
  }
  std::vector<float> sorted(values.data_ptr<float>(), values.data_ptr<float>() + values.numel());
  std::vector<size_t> crossed;
  size_t next = 0;
  for (const Instruction& step : f.program()) {
    if (step.op == Op::kClip && sorted[next] > sorted[next + 1]) {
      std::swap(sorted[next], sorted[next + 1]);
      crossed.push_back(next);
    }
    next += static_cast<size_t>(primitive(step.op).constants);
  }
  Expression result = f;
  result.set_constants(sorted);
  return {std::move(result), std::move(crossed)};
}

/// r where f reads it, else an empty tensor: autograd takes no undefined one.
Tensor checked_r(const Expression& f, const Tensor& x, const Tensor& r) {
  if (!f.reads(Op::kR)) return at::empty({0});
  const auto shape = [](const Tensor& t) { return fmt::format("[{}]", fmt::join(t.sizes(), ", ")); };
  if (!r.defined())
    throw InputError(fmt::format("function {} reads r, expected one number a token", f.to_string()));
  bool fits = x.dim() > 0 && r.dim() == x.dim() && r.size(-1) == 1;
  for (int64_t i = 0; fits && i + 1 < x.dim(); ++i) fits = r.size(i) == x.size(i);
  if (!fits) {
    throw InputError(
        fmt::format("function {}: r has shape {} and x {}, expected that of x but for 1 at the end",
                    f.to_string(), shape(r), shape(x)));
  }
  return r;
}

}  // namespace

Tensor constants_tensor(const Expression& f) {
  const std::vector<float> values = f.constants();
  return at::tensor(values, at::kFloat);
}

Expression with_constants(const Expression& f, const Tensor& constants) {
  return ordered(f, constants).first;
}

Tensor scalar_function(const Expression& f, const Tensor& x, const Tensor& constants, const Tensor& r) {
  auto [expression, crossed] = ordered(f, constants);
  return FusedFunction::apply(x, constants, checked_r(f, x, r),
                              c10::make_intrusive<Program>(std::move(expression), std::move(crossed)));
}

Tensor scalar_function_by_operations(const Expression& f, const Tensor& x, const Tensor& constants,
                                     const Tensor& r) {
  const Tensor tokens = checked_r(f, x, r);
  std::vector<Tensor> stack;
  int64_t next = 0;
  const auto pop = [&stack] {
    Tensor top = std::move(stack.back());
    stack.pop_back();
    return top;
  };
  for (const Instruction& step : f.program()) {
    const Primitive& p = primitive(step.op);
    Tensor lo, hi;
    if (p.constants > 0) lo = constants[next];
    if (p.constants > 1) hi = constants[next + 1];
    next += p.constants;
    if (step.op == Op::kX) {
      stack.push_back(x);
    } else if (step.op == Op::kR) {
      stack.push_back(tokens);
    } else if (step.op == Op::kConstant) {
      stack.push_back(lo);
    } else {
      const Tensor b = p.arity == 2 ? pop() : Tensor();
      const Tensor a = pop();
      if (step.op == Op::kClip) {
        stack.push_back(apply(step.op, a, b, at::minimum(lo, hi), at::maximum(lo, hi)));
      } else {
        stack.push_back(apply(step.op, a, b, lo, hi));
      }
    }
  }
  return stack.back().expand_as(x);
}

}  // namespace normgraft
