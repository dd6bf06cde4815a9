#include "normgraft/graft/scalar_function.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "normgraft/core/error.h"
#include "normgraft/expr/block.h"

namespace normgraft {
namespace {

constexpr int64_t kGrain = 1 << 14;  // elements a task: fixed, so that sums do not depend on threads

struct Program : torch::CustomClassHolder {
  explicit Program(Expression e) : expression(std::move(e)) {}
  Expression expression;
};

BlockEvaluator& evaluator() {
  thread_local BlockEvaluator instance;
  return instance;
}

std::span<const float> elements(const torch::Tensor& t, int64_t begin, int64_t end) {
  return {t.data_ptr<float>() + begin, static_cast<size_t>(end - begin)};
}

std::span<float> mutable_elements(const torch::Tensor& t, int64_t begin, int64_t end) {
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
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& constants, c10::intrusive_ptr<Program> program) {
    const torch::Tensor input = x.contiguous();
    torch::Tensor y = torch::empty_like(input);
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
    const torch::Tensor x = context->get_saved_variables()[0];
    const auto program =
        c10::static_intrusive_pointer_cast<Program>(context->saved_data["program"].toCapsule());
    const torch::Tensor g = gradients[0].contiguous();
    const auto constant_count =
        context->saved_data["constants"].toBool() ? program->expression.constant_count() : size_t{0};
    const int64_t tasks = (x.numel() + kGrain - 1) / kGrain;

    torch::Tensor dx = torch::empty_like(x);
    std::vector<double> partial(static_cast<size_t>(tasks) * constant_count, 0.0);
    for_each_task(x.numel(), [&](int64_t task, int64_t begin, int64_t end) {
      const std::span<double> dc(partial.data() + static_cast<size_t>(task) * constant_count, constant_count);
      evaluator().backward(program->expression, elements(x, begin, end), elements(g, begin, end),
                           mutable_elements(dx, begin, end), dc);
    });

    torch::Tensor dc;
    if (context->saved_data["constants"].toBool()) {
      dc = torch::from_blob(partial.data(), {tasks, static_cast<int64_t>(constant_count)}, torch::kFloat64)
               .sum(0)
               .to(torch::kFloat32);
    }
    return {dx, dc, torch::Tensor()};
  }
};

torch::Tensor apply(Op op, const torch::Tensor& a, const torch::Tensor& b, const torch::Tensor& lo,
                    const torch::Tensor& hi) {
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
      return torch::minimum(a, b);
    case Op::kMax:
      return torch::maximum(a, b);
    case Op::kNeg:
      return -a;
    case Op::kAbs:
      return a.abs();
    case Op::kSquare:
      return a * a;
    case Op::kClip:
      return torch::minimum(torch::maximum(a, lo), hi);
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

}  // namespace

torch::Tensor constants_tensor(const Expression& f) {
  const std::vector<float> values = f.constants();
  return torch::tensor(values, torch::kFloat32);
}

Expression with_constants(const Expression& f, const torch::Tensor& constants) {
  const torch::Tensor values = constants.detach().to(torch::kCPU, torch::kFloat32).contiguous();
  if (values.dim() != 1 || values.numel() != static_cast<int64_t>(f.constant_count())) {
    throw InputError(fmt::format("constants of {}: {} values, expected {}", f.to_string(), values.numel(),
                                 f.constant_count()));
  }
  std::vector<float> sorted(values.data_ptr<float>(), values.data_ptr<float>() + values.numel());
  size_t next = 0;
  for (const Instruction& step : f.program()) {
    if (step.op == Op::kClip && sorted[next] > sorted[next + 1]) std::swap(sorted[next], sorted[next + 1]);
    next += static_cast<size_t>(primitive(step.op).constants);
  }
  Expression result = f;
  result.set_constants(sorted);
  return result;
}

torch::Tensor scalar_function(const Expression& f, const torch::Tensor& x, const torch::Tensor& constants) {
  if (!x.is_cpu()) return scalar_function_by_operations(f, x, constants);
  return FusedFunction::apply(x, constants, c10::make_intrusive<Program>(with_constants(f, constants)));
}

torch::Tensor scalar_function_by_operations(const Expression& f, const torch::Tensor& x,
                                            const torch::Tensor& constants) {
  std::vector<torch::Tensor> stack;
  int64_t next = 0;
  const auto pop = [&stack] {
    torch::Tensor top = std::move(stack.back());
    stack.pop_back();
    return top;
  };
  for (const Instruction& step : f.program()) {
    const Primitive& p = primitive(step.op);
    torch::Tensor lo, hi;
    if (p.constants > 0) lo = constants[next];
    if (p.constants > 1) hi = constants[next + 1];
    next += p.constants;
    if (step.op == Op::kX) {
      stack.push_back(x);
    } else if (step.op == Op::kConstant) {
      stack.push_back(lo);
    } else {
      const torch::Tensor b = p.arity == 2 ? pop() : torch::Tensor();
      const torch::Tensor a = pop();
      if (step.op == Op::kClip) {
        stack.push_back(apply(step.op, a, b, torch::minimum(lo, hi), torch::maximum(lo, hi)));
      } else {
        stack.push_back(apply(step.op, a, b, lo, hi));
      }
    }
  }
  return stack.back().expand_as(x);
}

}  // namespace normgraft
