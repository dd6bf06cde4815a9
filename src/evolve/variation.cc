#include "variation.h"

#include <algorithm>
#include <cmath>

namespace normgraft {
namespace {

constexpr int kMutationDepth = 3;

/// The nodes [start, root] of one subtree.
struct Range {
  size_t start;
  size_t root;
  size_t size() const { return root - start + 1; }
};

Range subtree(ProgramView program, size_t root) {
  return {subtree_start(program, root), root};
}

Range draw_subtree(ProgramView program, Random& random) {
  return subtree(program, random.below(program.size()));
}

ProgramView part(ProgramView program, Range range) {
  return program.subspan(range.start, range.size());
}

Program replaced(ProgramView program, Range hole, ProgramView filling) {
  Program result;
  result.reserve(program.size() - hole.size() + filling.size());
  result.insert(result.end(), program.begin(), program.begin() + static_cast<ptrdiff_t>(hole.start));
  result.insert(result.end(), filling.begin(), filling.end());
  result.insert(result.end(), program.begin() + static_cast<ptrdiff_t>(hole.root) + 1, program.end());
  return result;
}

Program copy(ProgramView program) {
  return {program.begin(), program.end()};
}

float perturbed(float value, Random& random) {
  const double moved = value * std::exp(0.3 * random.normal()) + 0.03 * random.normal();
  const float result = static_cast<float>(moved);
  return std::isfinite(result) ? result : value;
}

}  // namespace

Variation::Variation(const FunctionSet& set, double x_scale, int max_nodes)
    : set_(set), x_scale_(x_scale), max_nodes_(static_cast<size_t>(max_nodes)) {
  for (const auto& [op, weight] : set_.weights) total_weight_ += weight;
}

float Variation::draw_constant(Random& random) const {
  const double scales[] = {1.0, 1.0, x_scale_, 1.0 / x_scale_};
  const double scale = scales[random.below(4)];
  return static_cast<float>(scale * random.normal());
}

Instruction Variation::draw_leaf(Random& random) const {
  if (random.uniform() < 0.6) return {.op = Op::kX};
  return with_constants(Op::kConstant, random);
}

Instruction Variation::with_constants(Op op, Random& random) const {
  Instruction step{.op = op};
  if (op == Op::kConstant) step.c[0] = draw_constant(random);
  if (op == Op::kClip) {
    step.c[0] = set_.free_clip_bounds ? -std::abs(2 * draw_constant(random)) : -5.0F;
    step.c[1] = set_.free_clip_bounds ? std::abs(2 * draw_constant(random)) : 5.0F;
  }
  return step;
}

Op Variation::draw_operator(Random& random) const {
  double target = random.uniform() * total_weight_;
  for (const auto& [op, weight] : set_.weights) {
    target -= weight;
    if (target < 0) return op;
  }
  return set_.weights.back().first;
}

Op Variation::draw_operator(int arity, Op fallback, Random& random) const {
  for (int attempt = 0; attempt < 20; ++attempt) {
    const Op op = draw_operator(random);
    if (primitive(op).arity == arity) return op;
  }
  return fallback;
}

void Variation::grow(Program& program, int depth, bool full, Random& random) const {
  if (depth == 1 || (!full && random.uniform() < 0.3)) {
    program.push_back(draw_leaf(random));
    return;
  }
  const Op op = draw_operator(random);
  for (int operand = 0; operand < primitive(op).arity; ++operand) grow(program, depth - 1, full, random);
  program.push_back(with_constants(op, random));
}

Program Variation::random_tree(int depth, bool full, Random& random) const {
  Program program;
  for (; depth >= 1; --depth) {
    program.clear();
    grow(program, depth, full, random);
    if (program.size() <= max_nodes_) break;
  }
  return program;
}

Program Variation::vary(ProgramView a, ProgramView b, Random& random) const {
  const double choice = random.uniform();
  if (choice < 0.45) return crossover(a, b, random);
  if (choice < 0.60) return replace_subtree(a, random);
  if (choice < 0.75) return replace_node(a, random);
  if (choice < 0.87) return insert_node(a, random);
  if (choice < 0.95) return hoist(a, random);
  return perturb_constants(a, random);
}

Program Variation::crossover(ProgramView a, ProgramView b, Random& random) const {
  const Range hole = draw_subtree(a, random);
  const size_t room = max_nodes_ - (a.size() - hole.size());
  std::vector<Range> candidates;
  for (size_t root = 0; root < b.size(); ++root) {
    const Range range = subtree(b, root);
    if (range.size() <= room) candidates.push_back(range);
  }
  return replaced(a, hole, part(b, candidates[random.below(candidates.size())]));
}

Program Variation::replace_subtree(ProgramView a, Random& random) const {
  const Range hole = draw_subtree(a, random);
  const size_t room = max_nodes_ - (a.size() - hole.size());
  for (int depth = kMutationDepth;; --depth) {
    const Program tree = random_tree(depth, false, random);
    if (tree.size() <= room) return replaced(a, hole, tree);
  }
}

Program Variation::replace_node(ProgramView a, Random& random) const {
  Program child = copy(a);
  Instruction& node = child[random.below(child.size())];
  const int arity = primitive(node.op).arity;
  node = arity == 0 ? draw_leaf(random) : with_constants(draw_operator(arity, node.op, random), random);
  return child;
}

Program Variation::insert_node(ProgramView a, Random& random) const {
  const Instruction node = with_constants(draw_operator(random), random);
  const size_t added = static_cast<size_t>(primitive(node.op).arity);
  if (a.size() + added > max_nodes_) return hoist(a, random);
  const Range below = draw_subtree(a, random);
  Program filling = copy(part(a, below));
  if (added == 2) {
    const Instruction leaf = random.uniform() < 0.7 ? with_constants(Op::kConstant, random) : Instruction{};
    filling.insert(random.uniform() < 0.5 ? filling.begin() : filling.end(), leaf);
  }
  filling.push_back(node);
  return replaced(a, below, filling);
}

Program Variation::hoist(ProgramView a, Random& random) const {
  const Range upper = draw_subtree(a, random);
  const size_t root = upper.start + random.below(upper.size());
  return replaced(a, upper, part(a, subtree(a, root)));
}

Program Variation::perturb_constants(ProgramView a, Random& random) const {
  Program child = copy(a);
  for (Instruction& node : child) {
    if (node.op == Op::kConstant) node.c[0] = perturbed(node.c[0], random);
    if (node.op == Op::kClip && set_.free_clip_bounds) {
      for (float& bound : node.c) bound = perturbed(bound, random);
      if (node.c[0] > node.c[1]) std::swap(node.c[0], node.c[1]);
    }
  }
  return child;
}

}  // namespace normgraft
