#include "normgraft/graft/circuit_function.h"

#include <ATen/ATen.h>

#include "normgraft/core/error.h"

namespace normgraft {
namespace {

/// The codes of numbers, I64.
Tensor codes_of(const Tensor& v, const FixedPoint& format) {
  const Tensor scaled = (v.to(at::kDouble) / format.step() + 0.5).floor();
  return scaled.clamp(static_cast<double>(format.least()), static_cast<double>(format.most()))
      .nan_to_num(0)
      .to(at::kLong);
}

Tensor shifted_left(const Tensor& codes, int by) {
  return by == 0 ? codes : codes * (int64_t{1} << by);
}

/// Cut off, towards minus infinity.
Tensor shifted_right(const Tensor& codes, int by) {
  return by == 0 ? codes : codes.bitwise_right_shift(at::scalar_tensor(by, at::kLong));
}

Tensor rounded(const Tensor& codes, int by) {
  return by == 0 ? codes : shifted_right(codes + (int64_t{1} << (by - 1)), by);
}

Tensor at_curve(const FittedCurve& fitted, const Tensor& codes) {
  const Curve& curve = fitted.curve;
  const auto intervals = static_cast<int64_t>(fitted.knots.size()) - 1;
  const Tensor knots = at::tensor(fitted.knots, at::kLong);
  const Tensor distance = codes.clamp(curve.low, curve.low + (intervals << curve.shift)) - curve.low;
  const Tensor i = shifted_right(distance, curve.shift).clamp_max(intervals - 1);
  const Tensor from = knots.take(i), rise = knots.take(i + 1) - from;
  const Tensor behind = distance - shifted_left(i, curve.shift);
  return rounded(shifted_left(from, curve.shift) + rise * behind, curve.shift + curve.fraction);
}

class Evaluation {
 public:
  Evaluation(const Circuit& circuit, const Tensor& x, const Tensor& r) : nodes_(circuit.nodes()) {
    values_.reserve(nodes_.size());
    for (const CircuitNode& node : nodes_) values_.push_back(value(node, x, r));
  }

  const Tensor& result() const { return values_.back(); }

 private:
  const CircuitNode& node_at(int i) const { return nodes_[static_cast<size_t>(i)]; }
  const Tensor& value_at(int i) const { return values_[static_cast<size_t>(i)]; }

  /// An operand with as many bits behind the point as the exact result.
  Tensor aligned(const CircuitNode& node, int i) const {
    return shifted_left(value_at(i), node.exact_fraction - node_at(i).format.fraction);
  }

  Tensor value(const CircuitNode& node, const Tensor& x, const Tensor& r) const {
    switch (node.op) {
      case Op::kX:
        return x;
      case Op::kR:
        return r;
      case Op::kConstant:
        return at::scalar_tensor(node.factor, at::kLong);
      case Op::kLog2:
        return log2(node);
      case Op::kExp2:
        return exp2(node);
      default:
        return has_pieces(node.op) ? at_curve(*node.curve, value_at(node.a))
                                   : shifted_right(exact(node), node.exact_fraction - node.format.fraction);
    }
  }

  Tensor exact(const CircuitNode& node) const {
    const Tensor& a = value_at(node.a);
    switch (node.op) {
      case Op::kAdd:
        return aligned(node, node.a) + aligned(node, node.b);
      case Op::kSub:
        return aligned(node, node.a) - aligned(node, node.b);
      case Op::kMin:
        return at::minimum(aligned(node, node.a), aligned(node, node.b));
      case Op::kMax:
        return at::maximum(aligned(node, node.a), aligned(node, node.b));
      case Op::kMul:
        return node.b < 0 ? a * node.factor : a * value_at(node.b);
      case Op::kSquare:
        return a * a;
      case Op::kNeg:
        return -a;
      case Op::kAbs:
        return a.abs();
      case Op::kClip:
        return aligned(node, node.a).clamp(node.low, node.high);
      default:
        return at::div(shifted_left(a, node.factor_fraction), value_at(node.b), "trunc");
    }
  }

  Tensor log2(const CircuitNode& node) const {
    const Tensor held = value_at(node.a).clamp_min(1);
    // 32 bits are exact as doubles: the exponent is one more than the place of the leading one.
    const Tensor place = std::get<1>(at::frexp(held.to(at::kDouble))).to(at::kLong) - 1;
    const Tensor behind = shifted_left(held, 16).bitwise_right_shift(place) - 65536;
    return shifted_left(place - node_at(node.a).format.fraction, node.format.fraction) +
           at_curve(*node.curve, behind);
  }

  Tensor exp2(const CircuitNode& node) const {
    const Tensor& a = value_at(node.a);
    const int fraction = node_at(node.a).format.fraction;
    const Tensor whole = fraction > 0 ? shifted_right(a, fraction) : shifted_left(a, -fraction);
    const Tensor behind = fraction > 0 ? a - shifted_left(whole, fraction) : at::zeros_like(a);
    return at_curve(*node.curve, behind)
        .bitwise_right_shift((node.curve_fraction - node.format.fraction - whole).clamp_max(62));
  }

  std::span<const CircuitNode> nodes_;
  std::vector<Tensor> values_;
};

}  // namespace

Tensor circuit_function(const Circuit& circuit, const Tensor& x, const Tensor& r) {
  at::NoGradGuard no_grad;
  const CircuitPorts& ports = circuit.ports();
  const bool reads_r = circuit.expression().reads(Op::kR);
  if (reads_r && !r.defined())
    throw InputError("circuit of " + circuit.expression().to_string() + ": r is missing");
  const Tensor r_codes = reads_r ? codes_of(r, ports.r).clamp(ports.least_r(), ports.most_r()) : Tensor();
  Tensor y = Evaluation(circuit, codes_of(x, ports.x), r_codes).result();
  const int shift = circuit.output_shift();
  y = shift >= 0 ? rounded(y, shift) : shifted_left(y, -shift);
  y = y.clamp(ports.y.least(), ports.y.most());
  return (y.to(at::kFloat) * ports.y.step()).expand_as(x).contiguous();
}

}  // namespace normgraft
