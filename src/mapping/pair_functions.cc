#include "normgraft/mapping/mapping.h"

namespace normgraft {
namespace {

Expression leaf(Op op) {
  return Expression({Instruction{op, {}}});
}

}  // namespace

Expression at_site(const Expression& g, const Carried& carried) {
  if (!carried.channel) return g;
  const Expression of_r = substitute(g, Op::kX, leaf(Op::kR));
  std::vector<Instruction> program = {Instruction{}};
  program.insert(program.end(), of_r.program().begin(), of_r.program().end());
  program.push_back({Op::kMul, {}});
  return Expression(std::move(program));
}

Expression of_pairs(const Expression& f, const Carried& carried) {
  if (!carried.channel) return f;
  const Expression of_r = substitute(f, Op::kX, Expression({Instruction{Op::kConstant, {1, 0}}}));
  return simplify(substitute(of_r, Op::kR, leaf(Op::kX)));
}

}  // namespace normgraft
