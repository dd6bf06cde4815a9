#pragma once

#include <span>
#include <vector>

#include "normgraft/core/random.h"
#include "normgraft/evolve/evolve.h"

namespace normgraft {

using Program = std::vector<Instruction>;
using ProgramView = std::span<const Instruction>;

/// Makes random trees and varies trees, as postfix programs. Every program it returns is well formed and has
/// at most `max_nodes` nodes when the ones it is given have.
class Variation {
 public:
  /// `x_scale` is the standard deviation of x: constants are drawn on the scales 1, x_scale and 1 / x_scale.
  Variation(const FunctionSet& set, double x_scale, int max_nodes);

  /// A tree of at most `depth` levels and `max_nodes` nodes; `full` prefers every branch that deep.
  Program random_tree(int depth, bool full, Random& random) const;

  /// A child of a, with a part of b where the crossover is drawn.
  Program vary(ProgramView a, ProgramView b, Random& random) const;

  /// A subtree of b in place of a subtree of a.
  Program crossover(ProgramView a, ProgramView b, Random& random) const;
  /// A random tree in place of a subtree.
  Program replace_subtree(ProgramView a, Random& random) const;
  /// Another primitive of the same arity at one node.
  Program replace_node(ProgramView a, Random& random) const;
  /// A new node above a subtree; its other operand, if any, is a leaf.
  Program insert_node(ProgramView a, Random& random) const;
  /// A subtree lifted to where one of its ancestors was.
  Program hoist(ProgramView a, Random& random) const;
  /// Every constant moved a little.
  Program perturb_constants(ProgramView a, Random& random) const;

 private:
  Op draw_operator(Random& random) const;
  Op draw_operator(int arity, Op fallback, Random& random) const;
  Instruction draw_leaf(Random& random) const;
  Instruction with_constants(Op op, Random& random) const;
  float draw_constant(Random& random) const;
  void grow(Program& program, int depth, bool full, Random& random) const;

  FunctionSet set_;
  double total_weight_ = 0;
  double x_scale_;
  size_t max_nodes_;
};

}  // namespace normgraft
