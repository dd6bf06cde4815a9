#include "verilog_circuit.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "normgraft/integer/arithmetic.h"
#include "verilog_circuit_pieces.h"
#include "verilog_curve.h"
#include "verilog_pieces.h"
#include "verilog_text.h"

namespace normgraft {
namespace {

/// The knots of a curve as the tensor that curve_logic reads.
IntegerTensor knots_of(const FittedCurve& curve) {
  IntegerTensor knots{.shape = {std::ssize(curve.knots)}, .bits = 32};
  knots.values32.assign(curve.knots.begin(), curve.knots.end());
  return knots;
}

/// Bits of the quotient of a division before its sign.
int quotient_bits(const CircuitNode& node, const CircuitNode& a) {
  return a.format.bits + node.factor_fraction;
}

/// Clocks that a node takes.
int latency(const CircuitNode& node, std::span<const CircuitNode> nodes) {
  switch (node.op) {
    case Op::kX:
    case Op::kR:
    case Op::kConstant:
      return 0;
    case Op::kLog2:
    case Op::kExp2:
      return 4;
    case Op::kDiv:
      return quotient_bits(node, nodes[static_cast<size_t>(node.a)]) + 1;
    default:
      return has_pieces(node.op) ? 3 : 1;
  }
}

/// When the value of each node is there: clocks behind the element.
std::vector<int> stages_of(std::span<const CircuitNode> nodes) {
  std::vector<int> stages;
  for (const CircuitNode& node : nodes) {
    int begin = 0;
    for (const int operand : {node.a, node.b})
      if (operand >= 0) begin = std::max(begin, stages[static_cast<size_t>(operand)]);
    stages.push_back(begin + latency(node, nodes));
  }
  return stages;
}

class Writer {
 public:
  Writer(const VerilogPorts& ports, const Circuit& circuit)
      : ports_(ports), nodes_(circuit.nodes()), stages_(stages_of(nodes_)), circuit_(circuit) {}

  std::string write() {
    for (size_t i = 0; i < nodes_.size(); ++i) add_node(static_cast<int>(i));
    const CircuitNode& last = nodes_.back();
    const std::string result = value(static_cast<int>(nodes_.size()) - 1, stages_.back(), false);
    const int shift = circuit_.output_shift();
    const int bits = last.format.bits + std::max(0, -shift);
    declare("  wire [{}:0] result = {};\n", bits - 1,
            shift < 0 ? fmt::format("{{{}, {}}}", result, literal(0, -shift)) : result);
    const RoundedCode rounded = rounded_code("result", bits, std::max(0, shift), ports_.out_bits);
    unused_.insert(unused_.end(), rounded.unused.begin(), rounded.unused.end());
    auto words = words_of(ports_, fmt::format("{}, at most {:.3g} from it.",
                                              circuit_.expression().to_string(), circuit_.error()));
    const int stages = stages_.back();
    const bool of_token = circuit_.expression().reads(Op::kR);
    unused_.push_back("in_code");
    words.merge(std::map<std::string, std::string>{
        {"control", control(stages, of_token)},
        {"body", text_},
        {"rounded", rounded.text},
        {"clamped", of_token ? fmt::format("first_at[{}] ? {} : {}", stages, literal(0, ports_.out_bits),
                                           parenthesised(rounded.code))
                             : rounded.code},
        {"top", std::to_string(stages)},
        {"unused", sink(unused_)}});
    return with_words(std::string(verilog::kPorts) + std::string(verilog::kCircuit), words);
  }

 private:
  template <typename... Words>
  void declare(fmt::format_string<Words...> format, Words&&... words) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Words>(words)...);
  }

  static std::string control(int stages, bool of_token) {
    std::string text(stages == 0 ? verilog::kNoStages : verilog::kStages);
    if (of_token) {
      text += verilog::kFirst;
      text += stages == 0 ? verilog::kFirstWithoutStages : verilog::kFirstStages;
    }
    return with_words(text, {{"top", std::to_string(stages)},
                             {"below", std::to_string(stages - 1)},
                             {"zero", literal(0, std::max(stages, 1))}});
  }

  static std::string parenthesised(const std::string& text) { return "(" + text + ")"; }

  const CircuitNode& at(int i) const { return nodes_[static_cast<size_t>(i)]; }
  int stage(int i) const { return stages_[static_cast<size_t>(i)]; }

  /// The wire of a node's value so many clocks behind its element. `held`: of a number of the token, that of
  /// the token's first element.
  std::string value(int i, int clock, bool held) {
    const CircuitNode& node = at(i);
    if (node.op == Op::kConstant) return literal(node.factor, node.format.bits);
    std::string wire = node.op == Op::kX || node.op == Op::kR ? "in_code" : fmt::format("n{}", i);
    for (int k = stage(i); k < clock; ++k) {
      const std::string next = fmt::format("n{}_at_{}", i, k + 1);
      if (declared_.insert(next).second) {
        declare("  reg [{}:0] {};\n  always @(posedge clock) if (step) {} <= {};\n", node.format.bits - 1,
                next, next, wire);
      }
      wire = next;
    }
    if (!held) return wire;
    std::string name = fmt::format("n{}_held_at_{}", i, clock);
    if (declared_.insert(name).second) {
      declare(
          "  reg [{}:0] {};\n  always @(posedge clock) if (step & valid_at[{}] & first_at[{}]) {} <= {};\n",
          node.format.bits - 1, name, clock, clock, name, wire);
    }
    return name;
  }

  /// An operand at the clock at which its node begins.
  std::string operand(const CircuitNode& node, int i, int begin) {
    const bool held = node.reads_x && at(i).reads_r && !at(i).reads_x;
    return value(i, begin, held);
  }

  /// Signed, of `bits` bits, with `fraction` bits behind the point.
  std::string aligned(const std::string& wire, const CircuitNode& node, int fraction, int bits) {
    const int shift = fraction - node.format.fraction;
    const std::string wide = node.op == Op::kConstant ? literal(node.factor, bits - shift)
                                                      : resized(wire, node.format.bits, bits - shift);
    return shift == 0 ? wide : fmt::format("{{{}, {}}}", wide, literal(0, shift));
  }

  void add_node(int i) {
    const CircuitNode& node = at(i);
    if (latency(node, nodes_) == 0) return;
    int begin = 0;
    for (const int each : {node.a, node.b})
      if (each >= 0) begin = std::max(begin, stage(each));
    const CircuitNode& a = at(node.a);
    const std::string wire_a = operand(node, node.a, begin);
    const std::string wire_b = node.b < 0 ? "" : operand(node, node.b, begin);
    declare("  reg [{}:0] n{};\n", node.format.bits - 1, i);
    if (node.op == Op::kDiv) return add_quotient(i, wire_a, wire_b);
    if (node.op == Op::kLog2) return add_log2(i, wire_a);
    if (node.op == Op::kExp2) return add_exp2(i, wire_a);
    if (has_pieces(node.op)) return add_pieces(i, wire_a);

    const int bits = exact_bits(node);
    const auto left = [&] { return aligned(wire_a, a, node.exact_fraction, bits); };
    const auto right = [&] { return aligned(wire_b, at(node.b), node.exact_fraction, bits); };
    switch (node.op) {
      case Op::kAdd:
        return take(i, left() + " + " + right(), bits);
      case Op::kSub:
        return take(i, left() + " - " + right(), bits);
      case Op::kNeg:
        return take(i, "-" + left(), bits);
      case Op::kAbs:
        return take(i, fmt::format("{}[{}] ? -{} : {}", wire_a, a.format.bits - 1, left(), left()), bits);
      case Op::kMin:
      case Op::kMax:
        declare("  wire [{0}:0] n{1}_left = {2};\n  wire [{0}:0] n{1}_right = {3};\n", bits - 1, i, left(),
                right());
        return take(i,
                    fmt::format("$signed(n{0}_left) {1} $signed(n{0}_right) ? n{0}_left : n{0}_right", i,
                                node.op == Op::kMin ? "<" : ">"),
                    bits);
      case Op::kClip:
        declare("  wire [{}:0] n{}_all = {};\n", bits - 1, i, left());
        return take(
            i,
            fmt::format(
                "$signed(n{0}_all) < $signed({1}) ? {1} : $signed(n{0}_all) > $signed({2}) ? {2} : n{0}_all",
                i, literal(node.low, bits), literal(node.high, bits)),
            bits);
      case Op::kMul:
        if (node.b < 0) return take(i, by_constant(node.factor, wire_a, a.format.bits, bits), bits);
        return add_product(i, wire_a, wire_b, at(node.b));
      case Op::kSquare:
        return add_product(i, wire_a, wire_a, a);
      default:
        return;
    }
  }

  /// Bits that hold the exact result of a node, and its operands beside it.
  int exact_bits(const CircuitNode& node) const {
    int bits = node.format.bits + node.exact_fraction - node.format.fraction;
    for (const int operand : {node.a, node.b}) {
      if (operand < 0) continue;
      const FixedPoint& format = at(operand).format;
      const int shift = node.op == Op::kMul ? 0 : node.exact_fraction - format.fraction;
      bits = std::max(bits, format.bits + shift);
    }
    if (node.op == Op::kClip) bits = std::max(bits, signed_bits(node.low, node.high));
    if (node.op == Op::kMul && node.b < 0 && node.factor != 0)
      bits = std::max(bits, at(node.a).format.bits + signed_digits(node.factor).front().exponent);
    return bits + 1;
  }

  /// The register of a node takes an exact result of `bits` bits without what it cuts off.
  void take(int i, const std::string& exact, int bits) {
    const CircuitNode& node = at(i);
    const int cut = node.exact_fraction - node.format.fraction;
    declare(
        "  wire [{0}:0] n{1}_exact = {2};\n  always @(posedge clock) if (step) n{1} <= "
        "n{1}_exact[{3}:{4}];\n",
        bits - 1, i, exact, cut + node.format.bits - 1, cut);
    unused_.push_back(fmt::format("n{}_exact", i));
  }

  static std::string by_constant(int64_t factor, const std::string& wire, int from, int bits) {
    std::string sum;
    for (const SignedDigit& digit : signed_digits(factor)) {
      const std::string shifted = digit.exponent == 0
                                      ? resized(wire, from, bits)
                                      : fmt::format("{{{}, {}}}", resized(wire, from, bits - digit.exponent),
                                                    literal(0, digit.exponent));
      sum += (sum.empty() ? (digit.sign < 0 ? "-" : "") : digit.sign < 0 ? " - " : " + ") + shifted;
    }
    return sum.empty() ? literal(0, bits) : sum;
  }

  void add_product(int i, const std::string& wire_a, const std::string& wire_b, const CircuitNode& b) {
    const CircuitNode& node = at(i);
    const int from = at(node.a).format.bits, digits = product_digits(b.format.least(), b.format.most());
    const int bits = from + 2 * digits;
    declare("  wire [{}:0] n{}_digits = {} + {};\n", 2 * digits - 1, i,
            resized(wire_b, b.format.bits, 2 * digits), literal(product_offset(digits), 2 * digits));
    declare(
        "  wire [{}:0] n{}_product;\n  normgraft_product #(.X({}), .N({}), .B({})) n{}_times (.x({}), "
        ".digits(n{}_digits), .product(n{}_product));\n",
        bits - 1, i, from, digits, std::min(b.format.bits, 2 * digits + 1), i, wire_a, i, i);
    const int all = std::max(bits, node.format.bits + node.exact_fraction - node.format.fraction);
    take(i, resized(fmt::format("n{}_product", i), bits, all), all);
  }

  /// A node's curve; its wire is two clocks behind what enters.
  std::string add_curve(int i, const std::string& input, int input_bits) {
    const CircuitNode& node = at(i);
    const IntegerTensor knots = knots_of(*node.curve);
    const CurveRange range = range_of(node.curve->curve, knots, input_bits);
    piece_bits_ = signed_bits(range.least, range.most);
    const std::string name = fmt::format("n{}_curve", i);
    const CurveLogic logic =
        curve_logic(node.curve->curve, knots, {name + "_in", input_bits}, 0, piece_bits_);
    text_ += with_words(verilog::kPieces, {{"name", name},
                                           {"in_top", std::to_string(input_bits - 1)},
                                           {"input", input},
                                           {"logic", logic.text}});
    for (const std::string& bits : logic.unused) unused_.push_back(name + "." + bits);
    return name + ".value";
  }

  void add_pieces(int i, const std::string& wire_a) {
    const std::string wire = add_curve(i, wire_a, at(at(i).a).format.bits);
    declare("  always @(posedge clock) if (step) n{} <= {};\n", i, fitted(i, wire, piece_bits_));
  }

  /// A signed wire in the bits of a node.
  std::string fitted(int i, const std::string& wire, int bits) {
    unused_.push_back(wire);
    return resized(wire, bits, at(i).format.bits);
  }

  void add_log2(int i, const std::string& wire_a) {
    const CircuitNode& node = at(i);
    const CircuitNode& a = at(node.a);
    const int count = unsigned_bits(a.format.bits - 1);
    declare("  wire [{}:0] n{}_place;\n  wire [15:0] n{}_fraction;\n", count - 1, i, i);
    declare(
        "  normgraft_leading_one #(.X({}), .P({})) n{}_leading_one (.clock(clock), .step(step), .x({}), "
        ".place(n{}_place), "
        ".fraction(n{}_fraction));\n",
        a.format.bits, count, i, wire_a, i, i);
    const std::string wire = add_curve(i, fmt::format("{{1'b0, n{}_fraction}}", i), 17);
    declare(
        "  reg [{0}:0] n{1}_place_2, n{1}_place_3;\n  always @(posedge clock)\n    if (step) begin\n"
        "      n{1}_place_2 <= n{1}_place;\n      n{1}_place_3 <= n{1}_place_2;\n    end\n",
        count - 1, i);
    const int bits = std::max({node.format.bits, piece_bits_, count + 1 + node.format.fraction}) + 1;
    const int whole = bits - node.format.fraction;
    declare("  wire [{}:0] n{}_sum = {{{} - {}, {}}} + {};\n", bits - 1, i,
            fmt::format("{{{}, n{}_place_3}}", literal(0, whole - count), i),
            literal(a.format.fraction, whole), literal(0, node.format.fraction),
            resized(wire, piece_bits_, bits));
    declare("  always @(posedge clock) if (step) n{} <= {};\n", i,
            fitted(i, fmt::format("n{}_sum", i), bits));
  }

  void add_exp2(int i, const std::string& wire_a) {
    const CircuitNode& node = at(i);
    const CircuitNode& a = at(node.a);
    const int fraction = a.format.fraction, whole_bits = a.format.bits - std::max(fraction, 0);
    const std::string behind =
        fraction > 0 ? fmt::format("{{1'b0, {}[{}:0]}}", wire_a, fraction - 1) : std::string("2'b00");
    const std::string wire = add_curve(i, behind, std::max(fraction, 1) + 1);
    // How much further than for the largest whole part.
    const auto highest = static_cast<int64_t>(std::floor(a.range.high));
    const int bits = std::max(whole_bits, signed_bits(0, highest)) + 1;
    const std::string top = fmt::format("{}[{}:{}]", wire_a, a.format.bits - 1, std::max(fraction, 0));
    std::string whole = fraction >= 0 ? fmt::format("{{{{{}{{{}[{}]}}}}, {}}}", bits - whole_bits, wire_a,
                                                    a.format.bits - 1, top)
                                      : resized(wire_a, a.format.bits, bits);
    declare("  reg [{0}:0] n{1}_less_1, n{1}_less_2, n{1}_less_3;\n  reg [{2}:0] n{1}_mantissa;\n", bits - 1,
            i, piece_bits_ - 1);
    declare(
        "  always @(posedge clock)\n    if (step) begin\n      n{0}_less_1 <= {1} - {2};\n"
        "      n{0}_less_2 <= n{0}_less_1;\n      n{0}_less_3 <= n{0}_less_2;\n      n{0}_mantissa <= {3};\n "
        "   end\n",
        i, literal(highest, bits), whole, wire);
    const int all = std::max(piece_bits_, node.format.bits);
    const int base = node.curve_fraction - node.format.fraction - static_cast<int>(highest);
    declare("  wire [{}:0] n{}_shifted = {} >> {};\n", all + base - 1, i,
            resized(fmt::format("n{}_mantissa", i), piece_bits_, all + base), fmt::format("n{}_less_3", i));
    declare("  always @(posedge clock) if (step) n{0} <= n{0}_shifted[{1}:{2}];\n", i,
            base + node.format.bits - 1, base);
    unused_.push_back(fmt::format("n{}_shifted", i));
  }

  void add_quotient(int i, const std::string& wire_a, const std::string& wire_b) {
    const CircuitNode& node = at(i);
    const CircuitNode &a = at(node.a), &b = at(node.b);
    const int bits = quotient_bits(node, a);
    const auto magnitude = [&](const CircuitNode& each, const std::string& wire) {
      if (each.op == Op::kConstant) return literal(std::abs(each.factor), each.format.bits);
      return fmt::format("({0}[{1}] ? -{0} : {0})", wire, each.format.bits - 1);
    };
    const auto sign = [&](const CircuitNode& each, const std::string& wire) {
      if (each.op == Op::kConstant) return std::string(each.factor < 0 ? "1'b1" : "1'b0");
      return fmt::format("{}[{}]", wire, each.format.bits - 1);
    };
    std::string numerator = magnitude(a, wire_a);
    if (node.factor_fraction > 0)
      numerator = fmt::format("{{{}, {}}}", numerator, literal(0, node.factor_fraction));
    declare(
        "  wire [{}:0] n{}_quotient;\n  normgraft_quotient #(.Q({}), .D({})) n{}_divides (.clock(clock), "
        ".step(step), "
        ".negative({} ^ {}), .numerator({}), .denominator({}), .quotient(n{}_quotient));\n",
        bits, i, bits, b.format.bits, i, sign(a, wire_a), sign(b, wire_b), numerator, magnitude(b, wire_b),
        i);
    const int all = std::max(bits + 1, node.format.bits + node.exact_fraction - node.format.fraction);
    take(i, resized(fmt::format("n{}_quotient", i), bits + 1, all), all);
  }

  const VerilogPorts& ports_;
  std::span<const CircuitNode> nodes_;
  std::vector<int> stages_;
  const Circuit& circuit_;
  std::string text_;
  std::set<std::string> declared_;
  std::vector<std::string> unused_;
  int piece_bits_ = 0;  ///< of the curve added last
};

}  // namespace

int circuit_clocks(const Circuit& circuit) {
  return stages_of(circuit.nodes()).back() + 1;
}

std::string circuit_unit(const VerilogPorts& ports, const Circuit& circuit) {
  return Writer(ports, circuit).write();
}

}  // namespace normgraft
