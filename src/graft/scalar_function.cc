#include "normgraft/graft/scalar_function.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "normgraft/core/error.h"
#include "normgraft/expr/block.h"

namespace normgraft {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements a task: fixed, so that sums do not depend on threads

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

/// Calls body(task, begin, end) for each run of kGrain elements.
template <typename Body>
void for_each_task(int64_t count, const Body& body) {
  const int64_t tasks = (count + kGrain - 1) / kGrain;
  at::parallel_for(0, tasks, 1, [&](int64_t first, int64_t last) {
    for (int64_t task = first; task < last; ++task) {
      body(task, task * kGrain, std::min(count, (task + 1) * kGrain));
    }
  });
}

class FusedFunction : public torch::autograd::Function<FusedFunction> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const Tensor& constants,
                        c10::intrusive_ptr<Program> program) {
    const Tensor input = x.contiguous();
    Tensor y = at::empty_like(input);
    for_each_task(input.numel(), [&](int64_t, int64_t begin, int64_t end) {
      evaluator().values(program->expression, elements(input, begin, end), mutable_elements(y, begin, end));
    });
    context->save_for_backward({input});
    context->saved_data["program"] = c10::IValue::make_capsule(std::move(program));
    context->saved_data["constants"] = constants.requires_grad();
    return y;
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context,
                                               torch::autograd::tensor_list gradients) {
    const Tensor x = context->get_saved_variables()[0];
    const auto program =
        c10::static_intrusive_pointer_cast<Program>(context->saved_data["program"].toCapsule());
    const Tensor g = gradients[0].contiguous();
    const auto constant_count =
        context->saved_data["constants"].toBool() ? program->expression.constant_count() : size_t{0};
    const int64_t tasks = (x.numel() + kGrain - 1) / kGrain;

    Tensor dx = at::empty_like(x);
    std::vector<double> partial(static_cast<size_t>(tasks) * constant_count, 0.0);
    for_each_task(x.numel(), [&](int64_t task, int64_t begin, int64_t end) {
      const std::span<double> dc(partial.data() + static_cast<size_t>(task) * constant_count, constant_count);
      evaluator().backward(program->expression, elements(x, begin, end), elements(g, begin, end),
                           mutable_elements(dx, begin, end), dc);
    });

    Tensor dc;
    if (context->saved_data["constants"].toBool()) {
      dc = at::from_blob(partial.data(), {tasks, static_cast<int64_t>(constant_count)}, at::kDouble)
               .sum(0)
               .to(at::kFloat);
      for (const size_t lower : program->crossed) {
        float* bound = dc.data_ptr<float>() + lower;
        std::swap(bound[0], bound[1]);
      }
    }
    return {dx, dc, Tensor()};
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
    case Op::kConstant:
    case Op::kX:
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

}  // namespace

Tensor constants_tensor(const Expression& f) {
  const std::vector<float> values = f.constants();
  return at::tensor(values, at::kFloat);
}

Expression with_constants(const Expression& f, const Tensor& constants) {
  return ordered(f, constants).first;
}

Tensor scalar_function(const Expression& f, const Tensor& x, const Tensor& constants) {
  auto [expression, crossed] = ordered(f, constants);
  return FusedFunction::apply(x, constants,
                              c10::make_intrusive<Program>(std::move(expression), std::move(crossed)));
}

Tensor scalar_function_by_operations(const Expression& f, const Tensor& x, const Tensor& constants) {
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
