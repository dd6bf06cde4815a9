#include "normgraft/circuit/circuit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "circuit_maker.h"
#include "normgraft/core/error.h"
#include "normgraft/integer/arithmetic.h"

namespace normgraft {
namespace {

/// Bits behind the point, more than y has.
constexpr int kLeastGuardBits = -4, kMostGuardBits = 24;

/// 32 bits for what a node keeps: 64 hold every sum and product of two.
void require_narrow(const Expression& f, const std::vector<CircuitNode>& nodes) {
  for (const CircuitNode& node : nodes) {
    if (node.format.bits <= 32) continue;
    throw InputError(
        fmt::format("circuit of {}: {} reaches from {:g} to {:g}, which takes {} bits with {} "
                    "behind the point, expected at most 32",
                    f.to_string(), primitive(node.op).name, node.range.low, node.range.high, node.format.bits,
                    node.format.fraction));
  }
}

/// Of 64 bits; what is shifted further is 0 too.
constexpr int64_t kMostShift = 62;

}  // namespace

int64_t CircuitPorts::least_r() const {
  return r_held.is_entire() ? r.least() : r.code(r_held.low);
}

int64_t CircuitPorts::most_r() const {
  return r_held.is_entire() ? r.most() : r.code(r_held.high);
}

bool has_pieces(Op op) {
  switch (op) {
    case Op::kTanh:
    case Op::kSigmoid:
    case Op::kErf:
    case Op::kSqrt:
    case Op::kRsqrt:
    case Op::kExp:
    case Op::kLog:
    case Op::kLog2:
    case Op::kExp2:
      return true;
    default:
      return false;
  }
}

Circuit::Circuit(const Expression& f, const CircuitPorts& ports, double most_error, bool tables)
    : f_(simplify(f)), ports_(ports) {
  const double rounding = 0.5 * ports.y.step(), allowed = most_error * ports.y.step();
  CircuitMaker maker(f_, ports);
  for (int guard = kLeastGuardBits; guard <= kMostGuardBits; ++guard) {
    maker.make(ports.y.fraction + guard);
    const double error = maker.nodes().back().error;
    if (!(error <= allowed) && guard < kMostGuardBits) continue;
    nodes_ = maker.nodes();
    error_ = error + (output_shift() > 0 ? rounding : 0);
    break;
  }
  if (!nodes_.back().range.finite()) {
    throw InputError(
        fmt::format("circuit of {}: not proved finite for x of {} and r of {}, expected a "
                    "function that is",
                    f.to_string(), ports.x.to_string(), ports.r.to_string()));
  }
  require_narrow(f, nodes_);
  if (!(error_ <= allowed + rounding)) {
    throw InputError(
        fmt::format("circuit of {}: y errs by up to {:.2g} steps whatever the bits behind the "
                    "point, expected at most {:.2g}",
                    f.to_string(), error_ / ports.y.step(), most_error + 0.5));
  }
  if (tables) fit_curves(nodes_);
}

int64_t node_value(const CircuitNode& node, std::span<const CircuitNode> nodes,
                   std::span<const int64_t> values, int64_t x, int64_t r) {
  const CircuitNode* const na = node.a < 0 ? nullptr : &nodes[static_cast<size_t>(node.a)];
  const int64_t a = node.a < 0 ? 0 : values[static_cast<size_t>(node.a)];
  const int64_t b = node.b < 0 ? 0 : values[static_cast<size_t>(node.b)];
  // Operands with equally many bits behind the point.
  const auto aligned = [&](int64_t code, int operand) {
    return code * (int64_t{1} << (node.exact_fraction - nodes[static_cast<size_t>(operand)].format.fraction));
  };
  const auto cut = [&](int64_t exact) { return exact >> (node.exact_fraction - node.format.fraction); };
  switch (node.op) {
    case Op::kX:
      return x;
    case Op::kR:
      return r;
    case Op::kConstant:
      return node.factor;
    case Op::kAdd:
      return cut(aligned(a, node.a) + aligned(b, node.b));
    case Op::kSub:
      return cut(aligned(a, node.a) - aligned(b, node.b));
    case Op::kMin:
      return cut(std::min(aligned(a, node.a), aligned(b, node.b)));
    case Op::kMax:
      return cut(std::max(aligned(a, node.a), aligned(b, node.b)));
    case Op::kMul:
      return cut(a * (node.b < 0 ? node.factor : b));
    case Op::kSquare:
      return cut(a * a);
    case Op::kNeg:
      return cut(-a);
    case Op::kAbs:
      return cut(std::abs(a));
    case Op::kClip:
      return cut(std::clamp(aligned(a, node.a), node.low, node.high));
    case Op::kDiv: {
      const int64_t quotient = (std::abs(a) << node.factor_fraction) / std::abs(b);
      return cut((a < 0) == (b < 0) ? quotient : -quotient);
    }
    case Op::kLog2: {
      const int64_t held = std::max<int64_t>(a, 1);
      const int64_t whole = leading_one(held) - na->format.fraction;
      return whole * (int64_t{1} << node.format.fraction) + (*node.curve)(fraction_behind_leading_one(held));
    }
    case Op::kExp2: {
      const int fraction = na->format.fraction;
      const int64_t whole = fraction > 0 ? a >> fraction : a * (int64_t{1} << -fraction);
      const int64_t behind = fraction > 0 ? a & ((int64_t{1} << fraction) - 1) : 0;
      const int64_t shift = node.curve_fraction - node.format.fraction - whole;
      return (*node.curve)(behind) >> std::min(shift, kMostShift);
    }
    case Op::kTanh:
    case Op::kSigmoid:
    case Op::kErf:
    case Op::kSqrt:
    case Op::kRsqrt:
    case Op::kExp:
    case Op::kLog:
      return (*node.curve)(a);
  }
  return 0;
}

int64_t Circuit::operator()(int64_t x, int64_t r) const {
  const int64_t held = std::clamp(r, ports_.least_r(), ports_.most_r());
  std::vector<int64_t> values(nodes_.size());
  for (size_t i = 0; i < nodes_.size(); ++i) values[i] = node_value(nodes_[i], nodes_, values, x, held);
  const int shift = output_shift();
  const int64_t y = shift >= 0 ? round_shift(values.back(), shift) : values.back() * (int64_t{1} << -shift);
  return clamp_to_bits(y, ports_.y.bits);
}

}  // namespace normgraft
