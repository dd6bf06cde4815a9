#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>

#include "normgraft/expr/expression.h"
#include "program.h"

namespace normgraft {
namespace {

/// A subtree as a postfix program of its own. The functions named after an operation apply it to operands
/// that are simple already and give a simple result that is not longer than the operation itself.
using Node = std::vector<Instruction>;
using View = std::span<const Instruction>;

Node make(const Instruction& op, Node a, Node b = {});
Node add(Node a, Node b);
Node sub(Node a, Node b);
Node mul(Node a, Node b);
Node div(Node a, Node b);

Node constant(float value) {
  return {{Op::kConstant, {value, 0}}};
}

Node copy(View view) {
  return {view.begin(), view.end()};
}

Node join(const Instruction& op, Node a, View b = {}) {
  a.insert(a.end(), b.begin(), b.end());
  a.push_back(op);
  return a;
}

Op root(View node) {
  return node.back().op;
}

View right(View node) {
  const size_t start = subtree_start(node, node.size() - 2);
  return node.subspan(start, node.size() - 1 - start);
}

View left(View node) {
  return node.first(node.size() - 1 - right(node).size());
}

View operand(View node) {
  return node.first(node.size() - 1);
}

std::optional<float> value_of(View node) {
  if (node.size() == 1 && root(node) == Op::kConstant) return node.back().c[0];
  return std::nullopt;
}

/// A computed constant as a float, unless it overflows or loses digits to underflow.
std::optional<float> folded(double value) {
  const double magnitude = std::fabs(value);
  if (magnitude == 0) return 0.0F;
  if (magnitude >= std::numeric_limits<float>::min() && magnitude <= std::numeric_limits<float>::max()) {
    return static_cast<float>(value);
  }
  return std::nullopt;
}

/// The values of a node for all finite x and r.
Interval range(View node) {
  constexpr double kMax = std::numeric_limits<float>::max();
  return bound(node, {-kMax, kMax}, {-kMax, kMax});
}

/// rest + constant, with the constant on the outside.
struct Shifted {
  View rest;
  float shift;
};

std::optional<Shifted> shifted(View node) {
  if (root(node) != Op::kAdd && root(node) != Op::kSub) return std::nullopt;
  const std::optional<float> c = value_of(right(node));
  if (!c) return std::nullopt;
  return Shifted{left(node), root(node) == Op::kAdd ? *c : -*c};
}

/// factor * rest, the form that mul gives.
struct Scaled {
  float factor;
  View rest;
};

std::optional<Scaled> scaled(View node, Op op = Op::kMul) {
  if (root(node) != op) return std::nullopt;
  const std::optional<float> c = value_of(left(node));
  if (!c) return std::nullopt;
  return Scaled{*c, right(node)};
}

/// The sum of two constants of a chain; none where a large one may have absorbed digits of what is between.
std::optional<float> merged_shift(float a, float b) {
  constexpr float kLarge = 1e6F;
  if (std::fabs(a) > kLarge || std::fabs(b) > kLarge) return std::nullopt;
  return folded(double{a} + double{b});
}

Node neg(Node a) {
  if (const auto c = value_of(a)) return constant(-*c);
  if (const auto s = scaled(a)) return mul(constant(-s->factor), copy(s->rest));
  if (const auto s = scaled(a, Op::kDiv)) return div(constant(-s->factor), copy(s->rest));
  if (root(a) == Op::kNeg) return copy(operand(a));
  if (root(a) == Op::kSub) return sub(copy(right(a)), copy(left(a)));
  if (const auto s = shifted(a)) return sub(constant(-s->shift), copy(s->rest));
  return join({Op::kNeg}, std::move(a));
}

Node add_constant(Node a, float c) {
  if (c == 0) return a;
  if (const auto inner = value_of(a)) {
    if (const auto sum = folded(double{*inner} + double{c})) return constant(*sum);
  }
  if (const auto s = shifted(a)) {
    if (const auto sum = merged_shift(s->shift, c)) return add_constant(copy(s->rest), *sum);
  }
  if (const auto s = scaled(a, Op::kSub)) {
    if (const auto sum = merged_shift(s->factor, c)) return sub(constant(*sum), copy(s->rest));
  }
  return join({c < 0 ? Op::kSub : Op::kAdd}, std::move(a), constant(std::fabs(c)));
}

Node add(Node a, Node b) {
  if (value_of(a)) std::swap(a, b);
  if (const auto c = value_of(b)) return add_constant(std::move(a), *c);
  if (root(b) == Op::kNeg) return sub(std::move(a), copy(operand(b)));
  if (root(a) == Op::kNeg) return sub(std::move(b), copy(operand(a)));
  if (equal(a, b) && a.size() > 1) return mul(constant(2), std::move(a));
  if (const auto s = shifted(a)) return add_constant(add(copy(s->rest), std::move(b)), s->shift);
  if (const auto s = shifted(b)) return add_constant(add(std::move(a), copy(s->rest)), s->shift);
  return join({Op::kAdd}, std::move(a), b);
}

Node sub(Node a, Node b) {
  if (const auto c = value_of(b)) return add_constant(std::move(a), -*c);
  if (root(b) == Op::kNeg) return add(std::move(a), copy(operand(b)));
  if (equal(a, b) && range(a).finite()) return constant(0);
  if (const auto c = value_of(a)) {
    if (*c == 0) return neg(std::move(b));
    if (const auto s = shifted(b)) {
      if (const auto rest = merged_shift(*c, -s->shift)) return sub(constant(*rest), copy(s->rest));
    }
    if (const auto s = scaled(b, Op::kSub)) {
      if (const auto rest = merged_shift(*c, -s->factor)) return add_constant(copy(s->rest), *rest);
    }
    return join({Op::kSub}, std::move(a), b);
  }
  if (const auto s = shifted(a)) return add_constant(sub(copy(s->rest), std::move(b)), s->shift);
  if (const auto s = shifted(b)) return add_constant(sub(std::move(a), copy(s->rest)), -s->shift);
  return join({Op::kSub}, std::move(a), b);
}

Node mul_constant(float c, Node a) {
  if (c == 1) return a;
  if (const auto inner = value_of(a)) {
    if (const auto product = folded(double{c} * double{*inner})) return constant(*product);
  }
  if (c == -1) return neg(std::move(a));
  if (c == 0 && range(a).finite()) return constant(0);
  if (root(a) == Op::kNeg) return mul_constant(-c, copy(operand(a)));
  if (const auto s = scaled(a)) {
    if (const auto product = folded(double{c} * double{s->factor}))
      return mul_constant(*product, copy(s->rest));
  }
  if (const auto s = scaled(a, Op::kDiv)) {
    if (const auto product = folded(double{c} * double{s->factor}))
      return div(constant(*product), copy(s->rest));
  }
  return join({Op::kMul}, constant(c), a);
}

Node mul(Node a, Node b) {
  if (value_of(b)) std::swap(a, b);
  if (const auto c = value_of(a)) return mul_constant(*c, std::move(b));
  if (root(a) == Op::kNeg) return neg(mul(copy(operand(a)), std::move(b)));
  if (root(b) == Op::kNeg) return neg(mul(std::move(a), copy(operand(b))));
  if (equal(a, b)) return make({Op::kSquare}, std::move(a));
  if (const auto s = scaled(a)) return mul_constant(s->factor, mul(copy(s->rest), std::move(b)));
  if (const auto s = scaled(b)) return mul_constant(s->factor, mul(std::move(a), copy(s->rest)));
  return join({Op::kMul}, std::move(a), b);
}

bool is_exponential(Op op) {
  return op == Op::kExp || op == Op::kExp2;
}

/// The float next to 1 / c, for a division by c.
std::optional<float> reciprocal(float c) {
  return c == 0 ? std::nullopt : folded(1 / double{c});
}

Node div(Node a, Node b) {
  if (const auto c = value_of(b)) {
    const auto inverse = reciprocal(*c);
    return inverse ? mul_constant(*inverse, std::move(a)) : join({Op::kDiv}, std::move(a), b);
  }
  if (root(a) == Op::kNeg) return neg(div(copy(operand(a)), std::move(b)));
  if (root(b) == Op::kNeg) return neg(div(std::move(a), copy(operand(b))));
  if (equal(a, b) && range(a).finite() && !range(a).contains(0)) return constant(1);
  if (is_exponential(root(b)) && value_of(a) == 1.0F && !value_of(operand(b)))
    return join({root(b)}, neg(copy(operand(b))));
  if (const auto s = scaled(a)) return mul_constant(s->factor, div(copy(s->rest), std::move(b)));
  if (const auto s = scaled(b); s && s->factor != 0) {
    if (const auto c = value_of(a)) {
      if (const auto ratio = folded(double{*c} / double{s->factor}))
        return div(constant(*ratio), copy(s->rest));
    } else if (const auto inverse = reciprocal(s->factor)) {
      return mul_constant(*inverse, div(std::move(a), copy(s->rest)));
    }
  }
  return join({Op::kDiv}, std::move(a), b);
}

Node extremum(Op op, Node a, Node b) {
  if (value_of(a)) std::swap(a, b);
  if (equal(a, b)) return a;
  const bool is_min = op == Op::kMin;
  const Interval in_a = range(a);
  const Interval in_b = range(b);
  if (!in_a.is_entire() && !in_b.is_entire()) {
    if (in_a.high <= in_b.low) return is_min ? a : b;
    if (in_b.high <= in_a.low) return is_min ? b : a;
  }
  const auto inner = root(a) == op ? value_of(right(a)) : std::nullopt;
  const auto outer = value_of(b);
  if (inner && outer) {
    return extremum(op, copy(left(a)),
                    constant(is_min ? std::min(*inner, *outer) : std::max(*inner, *outer)));
  }
  return join({op}, std::move(a), b);
}

Node clip(const Instruction& op, Node a) {
  const float low = op.c[0];
  const float high = op.c[1];
  const Interval in = range(a);
  if (!in.is_entire()) {
    if (low <= in.low && in.high <= high) return a;
    if (in.high <= low || low == high) return constant(low);
    if (in.low >= high) return constant(high);
  }
  if (root(a) == Op::kClip) {
    const float* inner = a.back().c;
    const Instruction both{Op::kClip, {std::clamp(inner[0], low, high), std::clamp(inner[1], low, high)}};
    return clip(both, copy(operand(a)));
  }
  return join(op, std::move(a));
}

/// Of an exponential its logarithm, of a logarithm its exponential.
Op inverse_of(Op op) {
  switch (op) {
    case Op::kExp:
      return Op::kLog;
    case Op::kLog:
      return Op::kExp;
    case Op::kExp2:
      return Op::kLog2;
    default:
      return Op::kExp2;
  }
}

Node make(const Instruction& op, Node a, Node b) {
  const Primitive& p = primitive(op.op);
  const auto ca = value_of(a);
  const auto cb = p.arity == 2 ? value_of(b) : ca;
  if (ca && cb) {
    if (const auto value = folded(p.value(*ca, *cb, op.c))) return constant(*value);
    return join(op, std::move(a), b);
  }
  switch (op.op) {
    case Op::kAdd:
      return add(std::move(a), std::move(b));
    case Op::kSub:
      return sub(std::move(a), std::move(b));
    case Op::kMul:
      return mul(std::move(a), std::move(b));
    case Op::kDiv:
      return div(std::move(a), std::move(b));
    case Op::kMin:
    case Op::kMax:
      return extremum(op.op, std::move(a), std::move(b));
    case Op::kNeg:
      return neg(std::move(a));
    case Op::kAbs:
      if (root(a) == Op::kNeg) return make(op, copy(operand(a)));
      if (root(a) == Op::kAbs || range(a).low >= 0) return a;
      break;
    case Op::kSquare:
      if (root(a) == Op::kNeg || root(a) == Op::kAbs) return make(op, copy(operand(a)));
      break;
    case Op::kSqrt:
      if (root(a) == Op::kSquare) return make({Op::kAbs}, copy(operand(a)));
      break;
    case Op::kClip:
      return clip(op, std::move(a));
    case Op::kLog:
    case Op::kLog2:
      if (root(a) == inverse_of(op.op)) return copy(operand(a));
      break;
    case Op::kExp:
    case Op::kExp2:
      if (root(a) == inverse_of(op.op) && range(operand(a)).low >= 0) return copy(operand(a));
      break;
    default:
      break;
  }
  return join(op, std::move(a));
}

/// The program with each largest subtree without variables as one constant, rounded once.
Node with_constants_folded(View program) {
  struct Subtree {
    size_t start;
    bool varies;
    double value;
  };
  Node result;
  std::vector<Subtree> stack;
  const auto fold = [&result](const Subtree& subtree, size_t end) {
    const auto value = subtree.varies ? std::nullopt : folded(subtree.value);
    if (!value) return;
    const auto begin = result.begin() + static_cast<std::ptrdiff_t>(subtree.start);
    result.erase(begin + 1, result.begin() + static_cast<std::ptrdiff_t>(end));
    *begin = {Op::kConstant, {*value, 0}};
  };
  for (const Instruction& i : program) {
    const Primitive& p = primitive(i.op);
    Subtree operands[2] = {};
    for (int k = p.arity; k-- > 0;) {
      operands[k] = stack.back();
      stack.pop_back();
    }
    Subtree node{result.size(), is_variable(i.op), p.value(operands[0].value, operands[1].value, i.c)};
    // What cannot be a constant itself must not vanish inside one: NaN stays NaN.
    if (!folded(node.value)) node.value = std::numeric_limits<double>::quiet_NaN();
    if (p.arity > 0) {
      node.start = operands[0].start;
      node.varies = operands[0].varies || operands[1].varies;
      if (node.varies && p.arity == 2) {
        fold(operands[1], result.size());
        fold(operands[0], operands[1].start);
      }
    }
    result.push_back(i);
    stack.push_back(node);
  }
  fold(stack.front(), result.size());
  return result;
}

/// One pass from the leaves to the root. A constant that appears in it can feed a fold of the next.
Expression simplified_once(const Expression& expression) {
  std::vector<Node> stack;
  for (const Instruction& i : with_constants_folded(expression.program())) {
    const int arity = primitive(i.op).arity;
    if (arity == 0) {
      stack.push_back({i});
      continue;
    }
    Node b;
    if (arity == 2) {
      b = std::move(stack.back());
      stack.pop_back();
    }
    stack.back() = make(i, std::move(stack.back()), std::move(b));
  }
  return Expression(std::move(stack.front()));
}

}  // namespace

Expression simplify(const Expression& expression) {
  Expression current = expression;
  for (size_t pass = 0; pass < expression.size(); ++pass) {
    Expression next = simplified_once(current);
    if (next == current) break;
    current = std::move(next);
  }
  return current;
}

}  // namespace normgraft
