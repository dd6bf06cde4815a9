#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "normgraft/circuit/fixed_point.h"
#include "normgraft/circuit/signed_digits.h"
#include "normgraft/expr/expression.h"
#include "normgraft/integer/fitted_curve.h"

namespace normgraft {

/// What a circuit reads and writes.
struct CircuitPorts {
  FixedPoint x = {.bits = 16, .fraction = 9};
  FixedPoint r = {.bits = 16, .fraction = 12};
  FixedPoint y = {.bits = 8, .fraction = 4};
  /// Where r is held by what writes it: no code beyond ever comes.
  Interval r_held = Interval::entire();

  int64_t least_r() const;  ///< the smallest code of r that comes
  int64_t most_r() const;   ///< the largest
};

/// One operation on codes. Its operands are nodes before it; of fractions a and b of theirs, the exact result
/// has `exact_fraction` bits behind the point; what is behind those of `format` is cut off, towards minus
/// infinity.
struct CircuitNode {
  Op op = Op::kX;
  int a = -1, b = -1;      ///< operands; -1: none
  FixedPoint format = {};  ///< its bits hold every code that any input can lead to
  int exact_fraction = 0;
  /// Of a constant its code. Of a product by a constant the factor, which replaces operand b.
  int64_t factor = 0;
  int factor_fraction = 0;
  int64_t low = 0, high = 0;              ///< the ends of a clip, with exact_fraction bits behind the point
  std::optional<FittedCurve> curve = {};  ///< of a function that is pieces between knots
  int curve_fraction = 0;                 ///< bits behind the point of what the curve gives
  Interval range = {};  ///< of the numbers that its codes stand for, proved by interval arithmetic
  double error = 0;     ///< how far these are from those of exact arithmetic at most
  bool reads_x = false, reads_r = false;
};

/// An expression as a circuit of whole numbers computes it, bit by bit. Every node has a fixed point. Its
/// bits are proved to suffice for all codes of x and r by interval arithmetic, so nothing overflows; the bits
/// behind the point are the fewest, alike for all nodes, with which y is proved to err by no more than asked.
///
/// + - min max abs neg clip and products are whole-number arithmetic; bits that a format has not are cut off,
/// which costs nothing, where rounding takes an adder. y alone is rounded. A constant that multiplies has the
/// fewest signed digits that the error allows. log2 is the place of the leading one and pieces for the
/// fraction behind it, exp2 pieces for the fraction and a shift. A quotient is cut off towards 0. Other
/// functions are pieces between knots at powers of two.
class Circuit {
 public:
  /// `most_error`: how far y may be from clamp(f), in steps of y, more than half of one. Throws InputError
  /// naming the expression: where f is not proved finite on all codes (`log2(x)` where x may be negative),
  /// where a value takes more than 32 bits (named with the bits it would take), where no number of bits gives
  /// the error. With `tables` false no curve is fitted: formats and errors are the same, but it cannot be
  /// evaluated.
  Circuit(const Expression& f, const CircuitPorts& ports, double most_error = 0.5, bool tables = true);

  /// The code of y for codes of x and r; an r that never comes counts as the nearest that does.
  int64_t operator()(int64_t x, int64_t r = 0) const;

  /// f, simplified: what the error refers to.
  const Expression& expression() const { return f_; }
  const CircuitPorts& ports() const { return ports_; }
  /// In an order in which each follows its operands. The last one is what y is rounded from; equal
  /// subexpressions are one node.
  std::span<const CircuitNode> nodes() const { return nodes_; }
  /// How far the number of y is from clamp(f(x, r)) at most, for all codes of x and r: proved.
  double error() const { return error_; }
  /// How much is cut from the last node's code, rounding, before it is clamped to y; below 0 it is shifted
  /// to the left.
  int output_shift() const { return nodes_.back().format.fraction - ports_.y.fraction; }

 private:
  Expression f_;
  CircuitPorts ports_;
  std::vector<CircuitNode> nodes_;
  double error_ = 0;
};

/// Whether a circuit computes it by pieces between knots: CircuitNode::curve.
bool has_pieces(Op op);

/// The code that a node has for the codes of its operands. x and r are those of the inputs.
int64_t node_value(const CircuitNode& node, std::span<const CircuitNode> nodes,
                   std::span<const int64_t> values, int64_t x, int64_t r);

}  // namespace normgraft
