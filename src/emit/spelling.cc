#include "spelling.h"

#include <fmt/format.h>

#include <algorithm>

namespace normgraft {
namespace {

constexpr int kDeepest = 30;

/// The text of a subtree, and how deep it nests.
struct Part {
  std::string text;
  int depth = 0;
};

std::string digits(float c) {
  return fmt::format("{:#}", static_cast<double>(c));
}

}  // namespace

SpelledExpression spell(const Expression& f, const Spellings& spellings) {
  SpelledExpression spelled;
  std::vector<Part> stack;
  const auto pop = [&stack] {
    Part top = std::move(stack.back());
    stack.pop_back();
    return top;
  };
  for (const Instruction& step : f.program()) {
    const int arity = primitive(step.op).arity;
    const Part b = arity == 2 ? pop() : Part{};
    const Part a = arity >= 1 ? pop() : Part{};
    const std::string first = digits(step.c[0]), second = digits(step.c[1]);
    Part part{fmt::format(fmt::runtime(spellings[step.op]), fmt::arg("a", a.text), fmt::arg("b", b.text),
                          fmt::arg("c", first), fmt::arg("lo", first), fmt::arg("hi", second)),
              1 + std::max(a.depth, b.depth)};
    if (part.depth == kDeepest) {
      const std::string name = fmt::format("t{}", spelled.steps.size());
      spelled.steps.push_back(std::move(part.text));
      part = {name, 0};
    }
    stack.push_back(std::move(part));
  }
  spelled.value = std::move(stack.back().text);
  return spelled;
}

}  // namespace normgraft
