#pragma once

#include <vector>

#include "normgraft/circuit/circuit.h"

namespace normgraft {

/// Gives each operation of an expression a fixed point and bounds its error.
class CircuitMaker {
 public:
  CircuitMaker(const Expression& f, const CircuitPorts& ports);

  /// Makes all nodes with at most so many bits behind the point. Curves are not fitted.
  void make(int fraction);

  const std::vector<CircuitNode>& nodes() const { return nodes_; }

 private:
  struct Operand;

  int leaf(const Instruction& step);
  int unary(const Instruction& step, const Operand& a);
  int binary(Op op, Operand a, Operand b);
  int product(const Operand& a, const Operand& b);
  int by_constant(int a, double factor);
  int quotient(int a, int b);
  int leading_one(int a);
  int power_of_two(int a);
  int pieces(Op op, int a);
  CircuitNode constant(double value) const;
  int placed(const Operand& operand);
  int add(CircuitNode node);
  void cut(CircuitNode& node) const;

  const CircuitNode& at(int i) const { return nodes_[static_cast<size_t>(i)]; }
  Interval range_of_r() const;
  /// The largest magnitude of a node where y is not held at an end of its range.
  double reach(int i) const;

  Expression f_;
  CircuitPorts ports_;
  double x_reach_ = 0;
  int fraction_ = 0;
  std::vector<CircuitNode> nodes_;
};

/// Fits what makes pieces between knots of the nodes that need them.
void fit_curves(std::vector<CircuitNode>& nodes);

}  // namespace normgraft
