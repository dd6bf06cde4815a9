#include "circuit_maker.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>
#include <tuple>

#include "normgraft/integer/arithmetic.h"

namespace normgraft {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kCurveShare = 0.5;     ///< of a step, by which pieces may err beyond rounding
constexpr int kKnotFraction = 2;        ///< bits of knots behind the point, beyond those of the node
constexpr double kMostFactor = 1e12;    ///< whose signed digits are looked for
constexpr int kMostCurveBits = 20;      ///< of a code that pieces are fitted for
constexpr int kMostPowerFraction = 30;  ///< bits behind the point of the pieces of exp2
constexpr double kCutOff = 2.3e-5;      ///< log2 of 1 + 2^-16: what is cut off behind the leading one

double largest(Interval range) {
  return std::max(std::abs(range.low), std::abs(range.high));
}

/// How steep a rising or falling function with its steepest place at an end, or at 0, is on an interval.
double steepest(Op op, Interval a) {
  const Primitive& p = primitive(op);
  const auto slope = [&](double at) {
    double da = 0, db = 0, dc[2];
    p.derivative(at, 0, p.value(at, 0, nullptr), nullptr, da, db, dc);
    return std::abs(da);
  };
  double result = std::max(slope(a.low), slope(a.high));
  if (a.contains(0)) result = std::max(result, slope(0));
  return result;
}

Interval widened(Interval range, double by) {
  return {range.low - by, range.high + by};
}

}  // namespace

/// What an operation takes: a node, or a constant that has no place yet.
struct CircuitMaker::Operand {
  int node = -1;
  double constant = 0;
  bool is_constant() const { return node < 0; }
};

CircuitMaker::CircuitMaker(const Expression& f, const CircuitPorts& ports) : f_(f), ports_(ports) {
  x_reach_ = largest(ports.x.range());
  const std::optional<Expression> g = factor_of_r(f_);
  if (!g) return;
  const Interval bound = g->bound(range_of_r(), {});  // its x is r
  const double least = bound.contains(0) ? 0 : std::min(std::abs(bound.low), std::abs(bound.high));
  const double end = largest(ports.y.range()) + ports.y.step();
  if (least > 0) x_reach_ = std::min(x_reach_, end / least);
}

void CircuitMaker::make(int fraction) {
  fraction_ = fraction;
  nodes_.clear();
  std::vector<Operand> stack;
  const std::span<const Instruction> program = f_.program();
  for (const Instruction& step : program) {
    const int arity = primitive(step.op).arity;
    Operand result, b;
    if (arity == 2) {
      b = stack.back();
      stack.pop_back();
    }
    if (arity == 0) {
      result = step.op == Op::kConstant ? Operand{-1, step.c[0]} : Operand{leaf(step)};
    } else {
      const Operand a = stack.back();
      stack.pop_back();
      if (a.is_constant() && (arity == 1 || b.is_constant()))
        result.constant = primitive(step.op).value(a.constant, b.constant, step.c);
      else
        result.node = arity == 1 ? unary(step, a) : binary(step.op, a, b);
    }
    stack.push_back(result);
  }
  if (stack.back().is_constant()) placed(stack.back());
}

Interval CircuitMaker::range_of_r() const {
  return {ports_.r.value(ports_.least_r()), ports_.r.value(ports_.most_r())};
}

double CircuitMaker::reach(int i) const {
  const CircuitNode& node = at(i);
  if (node.op == Op::kX) return x_reach_;
  if (node.op == Op::kNeg || node.op == Op::kAbs) return reach(node.a);
  return largest(node.range);
}

/// Equal operations of equal operands are one node.
int CircuitMaker::add(CircuitNode node) {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const CircuitNode& known = nodes_[i];
    if (std::tie(known.op, known.a, known.b, known.factor, known.factor_fraction, known.low, known.high) ==
            std::tie(node.op, node.a, node.b, node.factor, node.factor_fraction, node.low, node.high) &&
        known.format == node.format)
      return static_cast<int>(i);
  }
  for (const int operand : {node.a, node.b}) {
    if (operand < 0) continue;
    node.reads_x |= at(operand).reads_x;
    node.reads_r |= at(operand).reads_r;
  }
  nodes_.push_back(std::move(node));
  return static_cast<int>(nodes_.size()) - 1;
}

/// `range` and `error` are those of the exact result; the node cuts off what it has no bits for.
void CircuitMaker::cut(CircuitNode& node) const {
  node.format.fraction = std::min(node.exact_fraction, fraction_);
  const double step = node.format.step();
  const bool cuts = node.exact_fraction > node.format.fraction;
  if (cuts) node.error += step;
  if (!node.range.finite()) {
    node.error = kInfinity;
    return;
  }
  const double low = std::floor(node.range.low / step),
               high = cuts ? std::floor(node.range.high / step) : std::ceil(node.range.high / step);
  node.range = {low * step, high * step};
  node.format.bits = 2;
  while (node.format.bits < 64 &&
         (low < -std::ldexp(1, node.format.bits - 1) || high > std::ldexp(1, node.format.bits - 1) - 1))
    ++node.format.bits;
}

int CircuitMaker::leaf(const Instruction& step) {
  CircuitNode node{.op = step.op};
  node.format = step.op == Op::kX ? ports_.x : ports_.r;
  node.exact_fraction = node.format.fraction;
  node.range = step.op == Op::kX ? node.format.range() : range_of_r();
  node.reads_x = step.op == Op::kX;
  node.reads_r = !node.reads_x;
  return add(node);
}

/// A constant, with no more bits behind the point than it needs.
CircuitNode CircuitMaker::constant(double value) const {
  CircuitNode node{.op = Op::kConstant};
  node.format = {.bits = 64, .fraction = fraction_};
  const double scaled = std::ldexp(value, fraction_);
  node.factor = std::llround(std::clamp(scaled, -std::ldexp(1, 61), std::ldexp(1, 61)));
  while (node.factor != 0 && node.factor % 2 == 0 && node.format.fraction > 0) {
    node.factor /= 2;
    --node.format.fraction;
  }
  if (node.factor == 0) node.format.fraction = 0;
  node.exact_fraction = node.format.fraction;
  node.range = Interval::point(node.format.value(node.factor));
  node.error = std::abs(value - node.range.low);
  cut(node);
  return node;
}

int CircuitMaker::placed(const Operand& operand) {
  if (!operand.is_constant()) return operand.node;
  return add(constant(operand.constant));
}

int CircuitMaker::unary(const Instruction& step, const Operand& operand) {
  const int i = operand.node;
  const CircuitNode a = at(i);
  CircuitNode node{.op = step.op, .a = i};
  node.error = a.error;
  node.exact_fraction = a.format.fraction;
  switch (step.op) {
    case Op::kNeg:
    case Op::kAbs:
      break;
    case Op::kSquare:
      node.exact_fraction *= 2;
      node.error *= 2 * reach(i) + a.error;
      break;
    case Op::kClip: {
      const CircuitNode low = constant(step.c[0]), high = constant(step.c[1]);
      node.exact_fraction = std::max({node.exact_fraction, low.format.fraction, high.format.fraction});
      const auto code = [&](const CircuitNode& end) {
        return end.factor * (int64_t{1} << (node.exact_fraction - end.format.fraction));
      };
      node.low = code(low);
      node.high = code(high);
      node.error = std::max({a.error, low.error, high.error});
      const float ends[] = {static_cast<float>(low.range.low), static_cast<float>(high.range.low)};
      node.range = primitive(step.op).bound(a.range, {}, ends);
      cut(node);
      return add(node);
    }
    case Op::kLog2:
      return leading_one(i);
    case Op::kExp2:
      return power_of_two(i);
    default:
      return pieces(step.op, i);
  }
  node.range = primitive(step.op).bound(a.range, {}, step.c);
  cut(node);
  return add(node);
}

int CircuitMaker::binary(Op op, Operand a, Operand b) {
  if (op == Op::kMul) return product(a, b);
  if (op == Op::kDiv) {
    if (b.is_constant()) return by_constant(a.node, 1 / b.constant);
    const int numerator = placed(a);
    return quotient(numerator, b.node);
  }
  CircuitNode node{.op = op, .a = placed(a), .b = placed(b)};
  const CircuitNode &left = at(node.a), &right = at(node.b);
  node.exact_fraction = std::max(left.format.fraction, right.format.fraction);
  node.error =
      op == Op::kMin || op == Op::kMax ? std::max(left.error, right.error) : left.error + right.error;
  node.range = primitive(op).bound(left.range, right.range, nullptr);
  cut(node);
  return add(node);
}

int CircuitMaker::product(const Operand& a, const Operand& b) {
  if (a.is_constant()) return by_constant(b.node, a.constant);
  if (b.is_constant()) return by_constant(a.node, b.constant);
  CircuitNode node{.op = Op::kMul, .a = a.node, .b = b.node};
  const CircuitNode &left = at(a.node), &right = at(b.node);
  node.exact_fraction = left.format.fraction + right.format.fraction;
  node.error = reach(a.node) * right.error + reach(b.node) * left.error + left.error * right.error;
  node.range = primitive(Op::kMul).bound(left.range, right.range, nullptr);
  cut(node);
  return add(node);
}

int CircuitMaker::by_constant(int i, double constant) {
  const CircuitNode a = at(i);
  CircuitNode node{.op = Op::kMul, .a = i};
  node.exact_fraction = a.format.fraction;
  if (!(std::abs(constant) < kMostFactor)) {
    node.range = primitive(Op::kMul).bound(a.range, Interval::point(constant), nullptr);
    cut(node);
    return add(node);
  }
  const double allowed = std::ldexp(0.25, -fraction_) / std::max(reach(i), 1e-9);
  const ShortFactor found = short_factor(constant, std::max(allowed, std::ldexp(1, -40)));
  node.factor = found.factor;
  node.factor_fraction = found.fraction;
  const double factor = std::ldexp(static_cast<double>(found.factor), -found.fraction);
  node.exact_fraction += found.fraction;
  node.error = std::abs(factor) * a.error + std::abs(factor - constant) * (reach(i) + a.error);
  node.range = primitive(Op::kMul).bound(a.range, Interval::point(factor), nullptr);
  cut(node);
  return add(node);
}

int CircuitMaker::quotient(int i, int j) {
  const CircuitNode a = at(i), b = at(j);
  CircuitNode node{.op = Op::kDiv, .a = i, .b = j};
  node.factor_fraction = std::max(0, fraction_ + b.format.fraction - a.format.fraction);
  node.exact_fraction = a.format.fraction + node.factor_fraction - b.format.fraction;
  node.range = primitive(Op::kDiv).bound(a.range, b.range, nullptr);
  const double least = std::min(std::abs(b.range.low), std::abs(b.range.high)) - b.error;
  const double step = std::ldexp(1, -node.exact_fraction);
  node.error = least > 0 ? step + (a.error + largest(node.range) * b.error) / least : kInfinity;
  if (a.format.bits + node.factor_fraction > 62) node.error = kInfinity;
  cut(node);
  return add(node);
}

int CircuitMaker::leading_one(int i) {
  const CircuitNode a = at(i);
  CircuitNode node{.op = Op::kLog2, .a = i};
  node.exact_fraction = node.curve_fraction = fraction_;
  const double step = std::ldexp(1, -fraction_), least = a.range.low - a.error;
  node.range =
      least > 0 ? widened(primitive(Op::kLog2).bound(a.range, {}, nullptr), step) : Interval::entire();
  node.error = (0.5 + kCurveShare) * step + kCutOff + a.error / (least * std::numbers::ln2);
  cut(node);
  return add(node);
}

int CircuitMaker::power_of_two(int i) {
  const CircuitNode a = at(i);
  CircuitNode node{.op = Op::kExp2, .a = i};
  node.exact_fraction = fraction_;
  const double step = std::ldexp(1, -fraction_);
  node.range = primitive(Op::kExp2).bound(a.range, {}, nullptr);
  if (!node.range.finite()) {
    cut(node);
    return add(node);
  }
  const double whole = std::floor(a.range.high);
  node.curve_fraction = static_cast<int>(std::clamp(fraction_ + whole, 1.0, 40.0));
  const double pieces_error = std::ldexp(0.5 + kCurveShare, static_cast<int>(whole) - node.curve_fraction);
  node.error = pieces_error + step + steepest(Op::kExp2, widened(a.range, a.error)) * a.error;
  node.range = widened(node.range, pieces_error + step);
  if (a.format.fraction > kMostCurveBits || node.curve_fraction > kMostPowerFraction) node.error = kInfinity;
  cut(node);
  return add(node);
}

int CircuitMaker::pieces(Op op, int i) {
  const CircuitNode a = at(i);
  CircuitNode node{.op = op, .a = i};
  node.exact_fraction = node.curve_fraction = fraction_;
  const double step = std::ldexp(1, -fraction_);
  const Interval exact = widened(a.range, a.error);
  node.range = primitive(op).bound(exact, {}, nullptr);
  node.error = (0.5 + kCurveShare) * step + (a.error > 0 ? steepest(op, exact) * a.error : 0);
  if (node.range.finite()) node.range = widened(node.range, step);
  if (a.format.bits > kMostCurveBits) node.error = kInfinity;
  cut(node);
  return add(node);
}

void fit_curves(std::vector<CircuitNode>& nodes) {
  for (CircuitNode& node : nodes) {
    if (!has_pieces(node.op)) continue;
    const FixedPoint& a = nodes[static_cast<size_t>(node.a)].format;
    const Interval range = nodes[static_cast<size_t>(node.a)].range;
    CurveTarget target;
    target.fraction = kKnotFraction;
    target.knot_bits = 32;
    const double scale = std::ldexp(1, node.curve_fraction);
    if (node.op == Op::kLog2) {
      target.high = 65535;
      target.exact = [=](double code) { return scale * std::log2(1 + code / 65536); };
      target.most = scale;
    } else if (node.op == Op::kExp2) {
      target.high = a.fraction > 0 ? (int64_t{1} << a.fraction) - 1 : 0;
      target.exact = [=](double code) { return scale * std::exp2(std::ldexp(code, -a.fraction)); };
      target.least = scale;
      target.most = 2 * scale;
    } else {
      target.low = static_cast<int64_t>(range.low / a.step());
      target.high = static_cast<int64_t>(range.high / a.step());
      target.exact = [=, op = node.op](double code) {
        return scale * primitive(op).value(std::ldexp(code, -a.fraction), 0, nullptr);
      };
      target.least = static_cast<double>(node.range.low) * scale;
      target.most = static_cast<double>(node.range.high) * scale;
    }
    node.curve = fit_curve(target, kCurveShare);
  }
}

}  // namespace normgraft
