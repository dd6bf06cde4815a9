#include "normgraft/circuit/parts.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>

#include "normgraft/integer/arithmetic.h"

namespace normgraft {
namespace {

constexpr int kFractionBits = 16;  ///< behind the leading one, in log2

/// Digits of 4, each -1 to 2, of numbers of so many bits.
int digits_of(int bits) {
  return (bits + 1) / 2;
}

/// Multipliers of 18 x 18 bits, with signs, for numbers of so many bits. Longer ones come in parts of 17
/// bits, all but the upper one without a sign.
int multipliers(int a, int b) {
  const auto parts = [](int bits) { return bits <= 18 ? 1 : (bits + 16) / 17; };
  return parts(a) * parts(b);
}

class Counter {
 public:
  explicit Counter(std::span<const CircuitNode> nodes) : nodes_(nodes) {}

  void count(const CircuitNode& node) {
    switch (node.op) {
      case Op::kX:
      case Op::kR:
      case Op::kConstant:
        return;
      case Op::kAdd:
      case Op::kSub:
        return add(CircuitPart::kAdder, exact_bits(node) - apart(node));
      case Op::kNeg:
      case Op::kAbs:
        return add(CircuitPart::kAbs, exact_bits(node));
      case Op::kMin:
      case Op::kMax:
        return add(CircuitPart::kChoice, widest(node));
      case Op::kClip:
        return add(CircuitPart::kClip, widest(node));
      case Op::kMul:
        return node.b < 0 ? count_factor(node) : count_product(at(node.a), at(node.b));
      case Op::kSquare:
        return count_product(at(node.a), at(node.a));
      case Op::kDiv:
        return count_quotient(node);
      default:
        return count_pieces(node);
    }
  }

  void add(CircuitPart part, double quantity) { parts_[static_cast<size_t>(part)] += quantity; }
  const CircuitParts& parts() const { return parts_; }

 private:
  const CircuitNode& at(int i) const { return nodes_[static_cast<size_t>(i)]; }

  static int exact_bits(const CircuitNode& node) {
    return node.format.bits + node.exact_fraction - node.format.fraction;
  }

  /// Bits of the wider operand, both with as many bits behind the point.
  int widest(const CircuitNode& node) const {
    int bits = 0;
    for (const int operand : {node.a, node.b}) {
      if (operand >= 0)
        bits = std::max(bits, at(operand).format.bits + node.exact_fraction - at(operand).format.fraction);
    }
    return bits;
  }

  /// The lowest bits of a sum that only one operand has: they are wires.
  int apart(const CircuitNode& node) const {
    const int distance = at(node.a).format.fraction - at(node.b).format.fraction;
    return node.op == Op::kAdd ? std::abs(distance) : std::max(distance, 0);
  }

  /// A sum of shifted copies, one for each signed digit.
  void count_factor(const CircuitNode& node) {
    const std::vector<SignedDigit> digits = signed_digits(node.factor);
    const int from = at(node.a).format.bits;
    if (digits.size() == 1 && digits[0].sign < 0) add(CircuitPart::kAbs, from);
    for (size_t i = 1; i < digits.size(); ++i) {
      const int so_far = from + digits[0].exponent - digits[i - 1].exponent;
      const int below = digits[i].sign < 0 ? digits[i - 1].exponent - digits[i].exponent : 0;
      add(CircuitPart::kDigit, so_far + below + 1);
    }
  }

  /// Of x of so many bits a row for each digit, which is some bits longer; of the number that the digits make
  /// so many bits.
  void add_product(int bits, int digits, int of_number) {
    add(CircuitPart::kProduct, (bits + 3) * digits);
    add(CircuitPart::kMultiplier, multipliers(bits, of_number));
  }

  void count_product(const CircuitNode& a, const CircuitNode& b) {
    add_product(a.format.bits, digits_of(b.format.bits), b.format.bits);
  }

  void count_quotient(const CircuitNode& node) {
    const CircuitNode &a = at(node.a), &b = at(node.b);
    const int quotient = a.format.bits + node.factor_fraction;
    add(CircuitPart::kQuotient, quotient * b.format.bits);
    add(CircuitPart::kAbs, quotient + b.format.bits + (a.op == Op::kConstant ? 0 : a.format.bits));
  }

  void count_pieces(const CircuitNode& node) {
    const CircuitNode& a = at(node.a);
    if (node.op == Op::kLog2) {
      add(CircuitPart::kShift, kFractionBits * std::bit_width(static_cast<unsigned>(a.format.bits - 1)));
      add(CircuitPart::kAdder, node.format.bits);
    }
    if (node.op == Op::kExp2) {
      const double places = std::floor(a.range.high) - std::floor(a.range.low);
      add(CircuitPart::kShift, node.format.bits * std::ceil(std::log2(places + 1)));
    }
    const Pieces pieces = node.curve ? fitted(*node.curve) : estimated(node);
    const int value_bits = node.format.bits + 2;
    const int digits = digits_of(pieces.slope_bits);
    add(CircuitPart::kTable, pieces.intervals * (value_bits + 2 * digits));
    if (pieces.shift > 0) add_product(pieces.shift + 1, digits, 2 * digits + 1);
  }

  struct Pieces {
    double intervals = 1;
    int shift = 0;       ///< 2^shift codes from knot to knot
    int slope_bits = 1;  ///< of the difference of two knots
  };

  static Pieces fitted(const FittedCurve& curve) {
    int64_t least = 0, most = 0;
    for (size_t i = 1; i < curve.knots.size(); ++i) {
      least = std::min(least, curve.knots[i] - curve.knots[i - 1]);
      most = std::max(most, curve.knots[i] - curve.knots[i - 1]);
    }
    return {static_cast<double>(curve.knots.size() - 1), curve.curve.shift, signed_bits(least, most)};
  }

  /// Straight lines err by curvature times distance^2 / 8, and may err by half a step.
  Pieces estimated(const CircuitNode& node) const {
    const CircuitNode& a = at(node.a);
    Interval range = a.range;
    int fraction = a.format.fraction;
    if (node.op == Op::kLog2) {
      range = {1, 2};
      fraction = kFractionBits;
    } else if (node.op == Op::kExp2) {
      range = {0, 1};
    }
    constexpr int kSamples = 512;
    const double h = (range.high - range.low) / kSamples;
    const auto value = [&](int i) { return primitive(node.op).value(range.low + h * i, 0, nullptr); };
    double curvature = 1e-9, steepest = 0;
    for (int i = 1; i < kSamples; ++i) {
      curvature = std::max(curvature, std::abs(value(i + 1) - 2 * value(i) + value(i - 1)) / (h * h));
      steepest = std::max(steepest, std::abs(value(i + 1) - value(i - 1)) / (2 * h));
    }
    const double step = std::ldexp(1, -node.curve_fraction);
    const double distance = std::sqrt(4 * step / curvature);
    Pieces pieces;
    pieces.shift = std::clamp(static_cast<int>(std::floor(std::log2(distance))) + fraction, 0, 16);
    const double spacing = std::ldexp(1, pieces.shift - fraction);
    pieces.intervals = std::max(1.0, std::ceil((range.high - range.low) / spacing));
    const double rise = steepest * spacing / step * 4 + 1;
    pieces.slope_bits = static_cast<int>(std::clamp(std::ceil(std::log2(rise)) + 1, 1.0, 32.0));
    return pieces;
  }

  std::span<const CircuitNode> nodes_;
  CircuitParts parts_{};
};

}  // namespace

std::string_view part_name(CircuitPart part) {
  constexpr std::array<std::string_view, kCircuitPartCount> kNames{
      "adder", "abs",   "digit",    "choice",   "clip",    "product", "multiplier",
      "table", "shift", "quotient", "rounding", "holding", "unit"};
  return kNames[static_cast<size_t>(part)];
}

CircuitParts parts_of(const Circuit& circuit) {
  Counter counter(circuit.nodes());
  for (const CircuitNode& node : circuit.nodes()) counter.count(node);
  const int shift = circuit.output_shift(), bits = circuit.ports().y.bits;
  if (shift > 0) counter.add(CircuitPart::kRounding, bits);
  if (circuit.nodes().back().format.bits - shift > bits) counter.add(CircuitPart::kHolding, bits);
  counter.add(CircuitPart::kUnit, 1);
  return counter.parts();
}

}  // namespace normgraft
