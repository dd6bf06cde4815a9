#include "block_sweep.h"

#include <fmt/format.h>

#include <new>

#include "normgraft/core/error.h"

namespace normgraft {

void BlockEvaluator::Sweep::reserve(size_t slots) {
  if (slots <= slots_) return;
  memory_ = hwy::AllocateAligned<float>(slots * kStride);
  if (!memory_) throw std::bad_alloc();
  slots_ = slots;
  std::fill_n(slot(0), slots * kStride, 0.0F);
  std::fill_n(slot(6), kStride, 1.0F);
}

bool BlockEvaluator::Sweep::varies(const Operand& operand) const {
  switch (operand.kind) {
    case Kind::kInput:
      return operand.index == 0 ? wanted_.dx : wanted_.dr;
    case Kind::kConstant:
      return wanted_.dc;
    case Kind::kStep:
      return steps_[operand.index].varies;
    default:
      return false;
  }
}

BlockEvaluator::Sweep::Operand BlockEvaluator::Sweep::push_step(const Instruction& i, Operand a, Operand b,
                                                                size_t constant, size_t slot) {
  Step step{i.op, Shape::kArrays, i.c[0], i.c[1], a, b, constant, slot, false};
  if (a.kind == Kind::kConstant) {
    step.shape = Shape::kConstantArray;
    step.c0 = a.value;
  } else if (b.kind == Kind::kConstant) {
    step.shape = Shape::kArrayConstant;
    step.c0 = b.value;
  }
  const bool own_constants = i.op == Op::kConstant || i.op == Op::kClip;
  step.varies = varies(a) || varies(b) || (wanted_.dc && own_constants);
  steps_.push_back(step);
  return {Kind::kStep, 0, steps_.size() - 1};
}

void BlockEvaluator::Sweep::prepare(const Expression& f, std::span<const float> r, Wanted wanted) {
  wanted_ = wanted;
  steps_.clear();
  stack_.clear();
  size_t constant = 0;
  // Values are kept for the reverse sweep, else they share the slots of a stack.
  const auto next_slot = [&] { return kFixedSlots + (wanted.any() ? steps_.size() : stack_.size()); };
  const auto pop = [&](int arity, int at_least) {
    if (arity < at_least) return Operand{};
    const Operand top = stack_.back();
    stack_.pop_back();
    return top;
  };
  // A constant that has no array beside it becomes one.
  const auto as_array = [&](Operand operand) {
    if (operand.kind != Kind::kConstant) return operand;
    return push_step({Op::kConstant, {operand.value, 0}}, {}, {}, operand.index, next_slot());
  };
  for (const Instruction& i : f.program()) {
    const Primitive& p = primitive(i.op);
    if (i.op == Op::kR && r.empty()) {
      throw InputError(fmt::format("expression {} reads r, expected as many of it as of x", f.to_string()));
    }
    if (is_variable(i.op)) {
      stack_.push_back({Kind::kInput, 0, i.op == Op::kX ? size_t{0} : size_t{1}});
    } else if (i.op == Op::kConstant) {
      stack_.push_back({Kind::kConstant, i.c[0], constant});
    } else {
      const Operand b = pop(p.arity, 2);
      Operand a = pop(p.arity, 1);
      if (p.arity == 1 || b.kind == Kind::kConstant) a = as_array(a);
      stack_.push_back(push_step(i, a, b, constant, next_slot()));
    }
    constant += p.constants;
  }
  const Operand root = as_array(pop(1, 1));
  if (root.kind == Kind::kInput) push_step(f.program().back(), root, {}, 0, kFixedSlots);
  first_adjoint_ = kFixedSlots + f.size();
  adjoints_.assign(steps_.size(), {});
  reserve(first_adjoint_ + (wanted.any() ? steps_.size() : 0));
}

}  // namespace normgraft
