#pragma once

#include <array>
#include <span>
#include <vector>

#include "normgraft/expr/expression.h"

namespace normgraft {

/// A stack for a program: on the machine's stack for the usual sizes.
template <typename T>
class Stack {
 public:
  explicit Stack(size_t program_size) {
    if (program_size > local_.size()) {
      large_.resize(program_size);
      top_ = large_.data();
    }
  }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  void push(const T& value) { *top_++ = value; }
  T pop() { return *--top_; }

 private:
  std::array<T, 64> local_;
  std::vector<T> large_;
  T* top_ = local_.data();
};

/// Runs a program: `apply(instruction, primitive, a, b)` is the value of a node. In place of operands that it
/// does not have it gets x for a and r for b.
template <typename T, typename Apply>
T run(std::span<const Instruction> program, const T& x, const T& r, Apply apply) {
  Stack<T> stack(program.size());
  for (const Instruction& i : program) {
    const Primitive& p = primitive(i.op);
    const T b = p.arity == 2 ? stack.pop() : r;
    const T a = p.arity >= 1 ? stack.pop() : x;
    stack.push(apply(i, p, a, b));
  }
  return stack.pop();
}

/// Expression::bound for a part of a program that is itself well formed.
Interval bound(std::span<const Instruction> program, Interval x, Interval r);

/// Whether two parts of programs are the same, constants included.
bool equal(std::span<const Instruction> a, std::span<const Instruction> b);

}  // namespace normgraft
