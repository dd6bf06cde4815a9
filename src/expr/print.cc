#include <fmt/format.h>

#include <cmath>

#include "normgraft/expr/expression.h"

namespace normgraft {
namespace {

/// How tightly the outermost operation of a text binds.
enum class Binding { kSum, kProduct, kSign, kAtom };

struct Text {
  std::string text;
  Binding binding;
};

std::string at_least(Binding binding, Text operand) {
  return operand.binding < binding ? fmt::format("({})", operand.text) : std::move(operand.text);
}

/// Operators of equal binding are read from left to right, so an equal right operand needs parentheses.
Text infix(std::string_view op, Binding binding, Text a, Text b) {
  const auto tighter = static_cast<Binding>(static_cast<int>(binding) + 1);
  std::string text = at_least(binding, std::move(a));
  const std::string right = at_least(tighter, std::move(b));
  const std::string_view space = right.front() == '-' ? " " : "";
  fmt::format_to(std::back_inserter(text), "{}{}{}{}", space, op, space, right);
  return {std::move(text), binding};
}

/// A minus in front of a number would be read as its sign: -(2) negates the constant 2, -2 is a constant.
Text negated(Text a, bool of_positive_constant) {
  const std::string operand = at_least(Binding::kSign, std::move(a));
  return {of_positive_constant ? fmt::format("-({})", operand) : "-" + operand, Binding::kSign};
}

Text constant(float value) {
  return {fmt::format("{}", value), std::signbit(value) ? Binding::kSign : Binding::kAtom};
}

Text call(const Instruction& i, const Primitive& p, const Text& a, const Text& b) {
  std::string text = fmt::format("{}({}", p.name, a.text);
  if (p.arity == 2) text += ", " + b.text;
  for (int k = 0; k < p.constants; ++k) text += fmt::format(", {}", i.c[k]);
  return {text + ")", Binding::kAtom};
}

}  // namespace

std::string Expression::to_string() const {
  std::vector<Text> stack;
  const auto pop = [&stack] {
    Text top = std::move(stack.back());
    stack.pop_back();
    return top;
  };
  for (size_t at = 0; at < program_.size(); ++at) {
    const Instruction& i = program_[at];
    const Primitive& p = primitive(i.op);
    Text b = p.arity == 2 ? pop() : Text{};
    Text a = p.arity >= 1 ? pop() : Text{};
    switch (i.op) {
      case Op::kConstant:
        stack.push_back(constant(i.c[0]));
        break;
      case Op::kX:
      case Op::kR:
        stack.push_back({std::string(p.name), Binding::kAtom});
        break;
      case Op::kAdd:
      case Op::kSub:
        stack.push_back(infix(p.name, Binding::kSum, std::move(a), std::move(b)));
        break;
      case Op::kMul:
      case Op::kDiv:
        stack.push_back(infix(p.name, Binding::kProduct, std::move(a), std::move(b)));
        break;
      case Op::kNeg: {
        const Instruction& operand = program_[at - 1];
        const bool positive_constant = operand.op == Op::kConstant && !std::signbit(operand.c[0]);
        stack.push_back(negated(std::move(a), positive_constant));
        break;
      }
      default:
        stack.push_back(call(i, p, a, b));
    }
  }
  return std::move(stack.front().text);
}

}  // namespace normgraft
