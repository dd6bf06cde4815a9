#include <fmt/format.h>

#include <numbers>
#include <vector>

#include "normgraft/emit/onnx_graph.h"
#include "spelling.h"

namespace normgraft {
namespace {

/// The ONNX operator of each primitive. What has none of its own is put together in operator_of().
constexpr Spellings kOnnx({
    {Op::kConstant, "constant"}, {Op::kX, "x"},       {Op::kR, "r"},
    {Op::kAdd, "Add"},           {Op::kSub, "Sub"},   {Op::kMul, "Mul"},
    {Op::kDiv, "Div"},           {Op::kMin, "Min"},   {Op::kMax, "Max"},
    {Op::kNeg, "Neg"},           {Op::kAbs, "Abs"},   {Op::kSquare, "Mul"},  // by itself
    {Op::kClip, "Clip"},         {Op::kTanh, "Tanh"}, {Op::kSigmoid, "Sigmoid"},
    {Op::kErf, "Erf"},           {Op::kSqrt, "Sqrt"}, {Op::kRsqrt, "Sqrt"},  // and its reciprocal
    {Op::kExp, "Exp"},           {Op::kLog, "Log"},   {Op::kExp2, "Exp"},    // of ln(2) times it
    {Op::kLog2, "Log"},                                                      // divided by ln(2)
});

}  // namespace

OnnxValue OnnxGraph::evaluate(const Expression& f, const OnnxValue& x, const OnnxValue& r) {
  std::vector<OnnxValue> stack;
  const auto pop = [&stack] {
    OnnxValue top = std::move(stack.back());
    stack.pop_back();
    return top;
  };
  for (const Instruction& step : f.program()) {
    const std::string op(kOnnx[step.op]);
    const int arity = primitive(step.op).arity;
    const OnnxValue b = arity == 2 ? pop() : OnnxValue();
    const OnnxValue a = arity >= 1 ? pop() : OnnxValue();
    if (step.op == Op::kX || step.op == Op::kR) {
      stack.push_back(step.op == Op::kX ? x : r);
    } else if (step.op == Op::kConstant) {
      stack.push_back(number(step.c[0]));
    } else if (step.op == Op::kClip) {
      stack.push_back(clip(a, step.c[0], step.c[1]));
    } else if (step.op == Op::kSquare) {
      stack.push_back(node(op, {a, a}));
    } else if (step.op == Op::kRsqrt) {
      stack.push_back(node("Reciprocal", {node(op, {a})}));
    } else if (step.op == Op::kExp2) {
      stack.push_back(node(op, {node("Mul", {a, number(std::numbers::ln2_v<float>)})}));
    } else if (step.op == Op::kLog2) {
      stack.push_back(node("Mul", {node(op, {a}), number(std::numbers::log2e_v<float>)}));
    } else {
      stack.push_back(arity == 2 ? node(op, {a, b}) : node(op, {a}));
    }
  }
  return stack.back();
}

OnnxValue OnnxGraph::function(const Expression& f, const OnnxValue& x, const OnnxValue& r) {
  if (f.program().size() == 1 && f.program()[0].op == Op::kX) return x;
  if (f.reads(Op::kR) && f.reads(Op::kX)) {
    if (const auto g = factor_of_r(f)) return node("Mul", {x, evaluate(*g, r, r)});
  }
  const OnnxValue value = evaluate(f, x, r);
  return f.reads(Op::kX) ? value : node("Add", {node("Mul", {x, number(0)}), value});
}

}  // namespace normgraft
