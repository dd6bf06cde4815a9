#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "normgraft/expr/interval.h"
#include "normgraft/expr/primitives.h"

namespace normgraft {

/// One step of a postfix program: pops the operands of `op`, pushes its value.
struct Instruction {
  Op op = Op::kX;
  float c[2] = {0, 0};  ///< the constants of the primitive, unused ones zero

  bool operator==(const Instruction&) const = default;
};

/// A scalar function with constants of x, an element of a token, and r, one number that the whole token
/// carries; most read x alone. Ordinary infix text outside (`0.48*clip(2*x+0.17, -5, 5)`, `x*rsqrt(r)`), a
/// flat postfix program inside. A value type; an expression is never empty and always well formed.
class Expression {
 public:
  /// The identity, x.
  Expression() : program_{Instruction{}} {}

  /// A postfix program. Throws InputError when it is not well formed (stack underflow, more than one value
  /// left, clip with lo > hi, a constant that is not finite).
  explicit Expression(std::vector<Instruction> program);

  /// Reads infix text: numbers, x, r, + - * /, unary minus, parentheses and the functions of the registry;
  /// clip's bounds are numbers. Throws InputError showing the column and what was expected.
  static Expression parse(std::string_view text);

  /// Infix text with as few parentheses as needed and the shortest digits that give back each float, so
  /// that parse(to_string()) is this expression.
  std::string to_string() const;

  /// The reference interpreter, in double.
  double operator()(double x, double r = 0) const;

  /// df/dx by forward differentiation of the program, in double. A factor 0 of the chain rule gives 0, also
  /// beside an infinite one.
  double derivative(double x, double r = 0) const;

  /// df/dr, likewise.
  double derivative_by_r(double x, double r) const;

  /// Bounds of f over intervals of x and r, by interval arithmetic. Of an r that may be anything only what
  /// does not read r is bounded.
  Interval bound(Interval x, Interval r = Interval::entire()) const;

  /// Whether a leaf of this kind is in the program.
  bool reads(Op leaf) const;

  std::span<const Instruction> program() const { return program_; }
  /// Number of nodes: instructions of the program (a clip with its bounds is one).
  size_t size() const { return program_.size(); }
  /// Longest path from the root to a leaf, in nodes; x alone has depth 1.
  size_t depth() const;

  /// All constants in program order: one for each kConstant, lo and hi for each kClip.
  std::vector<float> constants() const;
  size_t constant_count() const;
  /// Replaces all constants, in the order of constants(). Throws InputError when the count differs, a value
  /// is not finite or a clip would have lo > hi.
  void set_constants(std::span<const float> values);

  /// Hash of the program; with `with_constants` false, of its structure only.
  uint64_t hash(bool with_constants = true) const;

  bool operator==(const Expression&) const = default;

 private:
  std::vector<Instruction> program_;
};

/// Start of the subtree of a postfix program that ends at `root` (inclusive): program[start..root] computes
/// it.
size_t subtree_start(std::span<const Instruction> program, size_t root);

/// g, as a function of x, where f is x g(r) or x times a constant: x is one of its factors, in any order
/// (`x*exp(-r)`, `2*x/(r + 1)`), and nothing else in it reads x. The constants of g are those of f, in their
/// order. Nothing where g would need a constant that f has not: for x alone, and for `x/(r + 1)`.
std::optional<Expression> factor_of_r(const Expression& f);

/// f with an expression in place of each leaf of one kind, kX or kR: of g(x) with r for x, g(r).
Expression substitute(const Expression& f, Op leaf, const Expression& by);

/// An equivalent expression that is not longer: constants folded (in double, kept only when the result is a
/// finite float), x+0, x*1, x*0, --x, x-x, square(neg), nested clips and the like removed. Values are kept
/// for all x and r at which all nodes of the original are finite, up to rounding of folded constants (1 ULP
/// of float each).
Expression simplify(const Expression& expression);

/// How |f(x)| grows as x goes to minus or plus infinity.
enum class Tail : uint8_t { kBounded, kLinear, kUnbounded };

/// What is known of the arguments of a function where it is used.
struct Seen {
  Interval x;                       ///< the range of x seen; x may leave it
  Interval r = Interval::entire();  ///< where r is held; entire(): not known
};

/// A proof, from the structure of the program, that f is bounded or grows at most linearly in x for all r of
/// an interval; kUnbounded when there is none (including when f may be NaN far out, and when it reads an r
/// that is not held in a finite interval). kLinear may be told of what is bounded.
Tail tail(const Expression& expression, Interval r = Interval::entire());

/// What a function has to satisfy before it may enter a plan: finite as a float on `scale` times the range of
/// x seen and from there to |x| = 1e6, by interval arithmetic on pieces, and at most linear beyond, by
/// structure; each for all r of the interval in which r is held. Of x g(r) (factor_of_r) only g has to be
/// bounded there. Empty when satisfied, else why not, in words.
std::string why_not_admissible(const Expression& expression, const Seen& seen, double scale = 4.0);

/// Whether |f| is at most `most` on `scale` times the range of x seen and for all r of the interval in which
/// r is held, shown by interval arithmetic on pieces. False where it is so but cannot be shown.
bool stays_within(const Expression& expression, double most, const Seen& seen, double scale = 4.0);

}  // namespace normgraft
