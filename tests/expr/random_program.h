#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "normgraft/core/random.h"
#include "normgraft/expr/expression.h"

namespace normgraft {

/// Constants as programs have them: often the special ones, else of any size that is usual.
inline float random_constant(Random& random) {
  constexpr float kSpecial[] = {0.0F, -0.0F, 1.0F, -1.0F, 2.0F, 0.5F, -3.0F, 5.0F};
  if (random.below(3) == 0) return kSpecial[random.below(std::size(kSpecial))];
  return static_cast<float>(random.uniform(-3, 3));
}

/// Of what variables a random program is made.
enum class Variables { kX, kXAndR };

inline void append_random_program(Random& random, int depth, bool (*allowed)(Op), Variables variables,
                                  std::vector<Instruction>& program) {
  if (depth <= 1 || random.below(6) == 0) {
    const bool constant = random.below(3) == 0;
    program.push_back({constant ? Op::kConstant : Op::kX, {constant ? random_constant(random) : 0, 0}});
    if (!constant && variables == Variables::kXAndR && random.below(2) == 0) program.back().op = Op::kR;
    return;
  }
  Instruction i;
  do {
    i.op = primitives()[random.below(primitives().size())].op;
  } while (primitive(i.op).arity == 0 || !allowed(i.op));
  for (int k = 0; k < primitive(i.op).arity; ++k)
    append_random_program(random, depth - 1, allowed, variables, program);
  if (i.op == Op::kClip) {
    i.c[0] = random_constant(random);
    i.c[1] = random_constant(random);
    if (i.c[0] > i.c[1]) std::swap(i.c[0], i.c[1]);
  }
  program.push_back(i);
}

inline bool any_op(Op) {
  return true;
}

/// A random program of the given depth at most.
inline Expression random_expression(Random& random, int depth, bool (*allowed)(Op) = any_op,
                                    Variables variables = Variables::kX) {
  std::vector<Instruction> program;
  append_random_program(random, depth, allowed, variables, program);
  return Expression(std::move(program));
}

inline Expression random_expression_of_two(Random& random, int depth) {
  return random_expression(random, depth, any_op, Variables::kXAndR);
}

/// Whether no node's value or partial derivative at (x, r) is NaN or larger than `limit`.
inline bool every_node_within(const Expression& f, double x, double limit, double r = 0) {
  std::vector<double> stack;
  for (const Instruction& i : f.program()) {
    const Primitive& p = primitive(i.op);
    double operands[2] = {x, r};
    for (int k = p.arity; k-- > 0;) {
      operands[k] = stack.back();
      stack.pop_back();
    }
    stack.push_back(p.value(operands[0], operands[1], i.c));
    double partials[2] = {0, 0};
    double by_constants[2];
    p.derivative(operands[0], operands[1], stack.back(), i.c, partials[0], partials[1], by_constants);
    for (const double v : {stack.back(), partials[0], partials[1]}) {
      if (!(std::fabs(v) <= limit)) return false;
    }
  }
  return true;
}

/// The sizes of all terms of the chain rule at (x, r), added up: what rounding errors of df/dx or df/dr are
/// relative to where terms cancel.
inline double size_of_slope_terms(const Expression& f, double x, double r, bool by_r) {
  struct Node {
    double value, size;
  };
  std::vector<Node> stack;
  for (const Instruction& i : f.program()) {
    const Primitive& p = primitive(i.op);
    Node operands[2] = {{x, by_r ? 0.0 : 1.0}, {r, by_r ? 1.0 : 0.0}};
    for (int k = p.arity; k-- > 0;) {
      operands[k] = stack.back();
      stack.pop_back();
    }
    const double value = p.value(operands[0].value, operands[1].value, i.c);
    double partials[2] = {0, 0};
    double by_constants[2];
    p.derivative(operands[0].value, operands[1].value, value, i.c, partials[0], partials[1], by_constants);
    double size = 0;
    for (int k = 0; k < 2; ++k) {
      if (partials[k] != 0 && operands[k].size != 0) size += std::fabs(partials[k]) * operands[k].size;
    }
    stack.push_back({value, size});
  }
  return stack.back().size;
}

}  // namespace normgraft
