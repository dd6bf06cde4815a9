#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "normgraft/expr/expression.h"

namespace normgraft {

/// How a target spells one primitive: a text in which {a} and {b} stand for the operands, {c} for the value
/// of a kConstant, {lo} and {hi} for the bounds of a kClip. It is put into other texts as it is, so one with
/// operators needs parentheses around it.
struct Spelling {
  Op op;
  std::string_view text;
};

/// Not constexpr, so that calling one while a table is compiled is an error that says what is wrong.
void an_op_has_no_spelling();
void an_op_is_spelled_twice();
void a_spelling_is_empty();

/// The spelling of every Op, leaves included. A table that is not complete does not compile.
class Spellings {
 public:
  template <size_t N>
  consteval explicit Spellings(const Spelling (&entries)[N]) {
    for (const Spelling& entry : entries) {
      std::string_view& text = texts_[static_cast<size_t>(entry.op)];
      if (entry.text.empty()) a_spelling_is_empty();
      if (!text.empty()) an_op_is_spelled_twice();
      text = entry.text;
    }
    for (const std::string_view text : texts_) {
      if (text.empty()) an_op_has_no_spelling();
    }
  }

  constexpr std::string_view operator[](Op op) const { return texts_[static_cast<size_t>(op)]; }

 private:
  std::array<std::string_view, kOpCount> texts_;
};

/// An expression in the words of a target: `value`, after `steps` have each been given a name, t0, t1, ...
struct SpelledExpression {
  std::vector<std::string> steps;
  std::string value;
};

/// Spells an expression. One text nests no deeper than compilers read (C promises 63 levels, CPython 200):
/// what is deeper is split into steps. A constant is written in the shortest digits that give back its exact
/// value as a double, always with a decimal point.
SpelledExpression spell(const Expression& f, const Spellings& spellings);

}  // namespace normgraft
