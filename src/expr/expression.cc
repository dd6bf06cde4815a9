#include "normgraft/expr/expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "normgraft/core/error.h"
#include "normgraft/core/files.h"
#include "program.h"

namespace normgraft {
namespace {

struct Dual {
  double value;
  double slope;
};

/// The chain rule's term: zero when either factor is, even where the other is infinite.
double term(double partial, double slope) {
  return partial == 0 || slope == 0 ? 0 : partial * slope;
}

/// The slope of a program whose x and r move at these slopes.
double slope(std::span<const Instruction> program, Dual x, Dual r) {
  const auto apply = [](const Instruction& i, const Primitive& p, Dual a, Dual b) -> Dual {
    const double value = p.value(a.value, b.value, i.c);
    double da = 0;
    double db = 0;
    double dc[2];
    p.derivative(a.value, b.value, value, i.c, da, db, dc);
    return {value, term(da, a.slope) + term(db, b.slope)};
  };
  return run<Dual>(program, x, r, apply).slope;
}

bool reads_x(std::span<const Instruction> program) {
  return std::any_of(program.begin(), program.end(), [](const Instruction& i) { return i.op == Op::kX; });
}

/// What is left of a product without its factor x, which nothing else in it reads; empty for x alone. Nothing
/// where that is no program of the same constants.
std::optional<std::vector<Instruction>> without_factor_x(std::span<const Instruction> f) {
  const Instruction& root = f.back();
  if (root.op == Op::kX) return std::vector<Instruction>();
  if (root.op != Op::kMul && root.op != Op::kDiv && root.op != Op::kNeg) return {};
  const size_t right = root.op == Op::kNeg ? f.size() - 1 : subtree_start(f, f.size() - 2);
  const auto first = f.first(right), second = f.subspan(right, f.size() - 1 - right);
  const bool in_first = reads_x(first);
  if (in_first == reads_x(second) || (root.op == Op::kDiv && !in_first)) return {};
  std::optional<std::vector<Instruction>> rest = without_factor_x(in_first ? first : second);
  if (!rest) return {};
  const auto other = in_first ? second : first;
  if (rest->empty()) {
    if (root.op != Op::kMul) return {};
    return std::vector<Instruction>(other.begin(), other.end());
  }
  rest->insert(in_first ? rest->end() : rest->begin(), other.begin(), other.end());
  rest->push_back(root);
  return rest;
}

void check_constants(const Instruction& i, size_t position) {
  const int count = primitive(i.op).constants;
  for (int k = 0; k < count; ++k) {
    if (!std::isfinite(i.c[k])) {
      throw InputError(fmt::format("expression: constant {} of node {} is {}, expected a finite number", k,
                                   position, i.c[k]));
    }
  }
  if (i.op == Op::kClip && i.c[0] > i.c[1]) {
    throw InputError(fmt::format("expression: clip at node {} has bounds {} > {}, expected low <= high",
                                 position, i.c[0], i.c[1]));
  }
}

}  // namespace

Interval bound(std::span<const Instruction> program, Interval x, Interval r) {
  struct Value {
    Interval interval;
    size_t start;
  };
  size_t position = 0;
  return run<Value>(program, {x, 0}, {r, 0},
                    [&](const Instruction& i, const Primitive& p, const Value& a, const Value& b) -> Value {
                      const size_t here = position++;
                      if (p.arity == 0) return {p.bound(x, r, i.c), here};
                      if (a.interval.is_entire() || (p.arity == 2 && b.interval.is_entire())) {
                        return {Interval::entire(), a.start};
                      }
                      const bool squares =
                          i.op == Op::kMul && equal(program.subspan(a.start, b.start - a.start),
                                                    program.subspan(b.start, here - b.start));
                      const Primitive& same = squares ? primitive(Op::kSquare) : p;
                      return {same.bound(a.interval, b.interval, i.c), a.start};
                    })
      .interval;
}

bool equal(std::span<const Instruction> a, std::span<const Instruction> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

Expression::Expression(std::vector<Instruction> program) : program_(std::move(program)) {
  size_t height = 0;
  for (size_t i = 0; i < program_.size(); ++i) {
    const Primitive& p = primitive(program_[i].op);
    for (int k = p.constants; k < 2; ++k) program_[i].c[k] = 0;
    check_constants(program_[i], i);
    if (height < static_cast<size_t>(p.arity)) {
      throw InputError(
          fmt::format("expression: {} at node {} has {} operands, expected {}", p.name, i, height, p.arity));
    }
    height = height - p.arity + 1;
  }
  if (height != 1)
    throw InputError(fmt::format("expression: the program leaves {} values, expected 1", height));
}

double Expression::operator()(double x, double r) const {
  return run<double>(program_, x, r, [](const Instruction& i, const Primitive& p, double a, double b) {
    return p.value(a, b, i.c);
  });
}

double Expression::derivative(double x, double r) const {
  return slope(program_, {x, 1}, {r, 0});
}

double Expression::derivative_by_r(double x, double r) const {
  return slope(program_, {x, 0}, {r, 1});
}

Interval Expression::bound(Interval x, Interval r) const {
  return normgraft::bound(program_, x, r);
}

bool Expression::reads(Op leaf) const {
  return std::any_of(program_.begin(), program_.end(), [&](const Instruction& i) { return i.op == leaf; });
}

size_t Expression::depth() const {
  return run<size_t>(program_, 0, 0, [](const Instruction&, const Primitive& p, size_t a, size_t b) {
    return 1 + (p.arity == 2 ? std::max(a, b) : a);
  });
}

std::vector<float> Expression::constants() const {
  std::vector<float> result;
  for (const Instruction& i : program_) result.insert(result.end(), i.c, i.c + primitive(i.op).constants);
  return result;
}

size_t Expression::constant_count() const {
  size_t count = 0;
  for (const Instruction& i : program_) count += primitive(i.op).constants;
  return count;
}

void Expression::set_constants(std::span<const float> values) {
  if (values.size() != constant_count()) {
    throw InputError(
        fmt::format("expression: {} constants given, expected {}", values.size(), constant_count()));
  }
  std::vector<Instruction> program = program_;
  size_t next = 0;
  for (size_t i = 0; i < program.size(); ++i) {
    for (int k = 0; k < primitive(program[i].op).constants; ++k) program[i].c[k] = values[next++];
    check_constants(program[i], i);
  }
  program_ = std::move(program);
}

uint64_t Expression::hash(bool with_constants) const {
  uint64_t hash = fnv1a({});
  for (const Instruction& i : program_) {
    hash = fnv1a(std::as_bytes(std::span(&i.op, 1)), hash);
    if (!with_constants) continue;
    for (int k = 0; k < primitive(i.op).constants; ++k) {
      // Adding zero makes equal constants, 0 and -0, equal bits.
      const uint32_t bits = std::bit_cast<uint32_t>(i.c[k] + 0.0F);
      hash = fnv1a(std::as_bytes(std::span(&bits, 1)), hash);
    }
  }
  return hash;
}

std::optional<Expression> factor_of_r(const Expression& f) {
  std::optional<std::vector<Instruction>> factor = without_factor_x(f.program());
  if (!factor || factor->empty()) return {};
  return substitute(Expression(*std::move(factor)), Op::kR, Expression());
}

Expression substitute(const Expression& f, Op leaf, const Expression& by) {
  std::vector<Instruction> program;
  for (const Instruction& i : f.program()) {
    if (i.op == leaf) {
      program.insert(program.end(), by.program().begin(), by.program().end());
    } else {
      program.push_back(i);
    }
  }
  return Expression(std::move(program));
}

size_t subtree_start(std::span<const Instruction> program, size_t root) {
  size_t start = root + 1;
  for (int missing = 1; missing > 0;) {
    --start;
    missing += primitive(program[start].op).arity - 1;
  }
  return start;
}

}  // namespace normgraft
