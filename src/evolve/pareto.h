#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "normgraft/expr/expression.h"

namespace normgraft {

/// A candidate of the search; `error` is finite.
struct Individual {
  Expression expression;
  double error = 0;
  double cost = 0;
  uint64_t structure = 0;   ///< structure_hash(expression)
  bool admissible = false;  ///< proved; not looked at yet when false
};

/// A hash of the structure that does not depend on constants nor on the order of the operands of + * min max.
uint64_t structure_hash(const Expression& expression);

/// The better individuals of `candidates`, at most `capacity`, best first: by rank of non-dominated sorting,
/// then by crowding distance (NSGA-II, Deb et al. 2002). Of several with one structure, or with one cost and
/// equal errors within 1e-8, only the most accurate stays. Those that `accept` refuses are passed over; it is
/// asked about no more than it takes.
std::vector<Individual> select_best(std::vector<Individual> candidates, size_t capacity,
                                    const std::function<bool(Individual&)>& accept);

/// All (error, cost) that no other of `points` dominates, by increasing cost and strictly decreasing error.
template <typename Point>
std::vector<Point> pareto_front(std::vector<Point> points);

}  // namespace normgraft

#include <algorithm>
#include <tuple>

namespace normgraft {

template <typename Point>
std::vector<Point> pareto_front(std::vector<Point> points) {
  std::stable_sort(points.begin(), points.end(), [](const Point& a, const Point& b) {
    return std::tuple(a.cost, a.error) < std::tuple(b.cost, b.error);
  });
  std::vector<Point> front;
  for (Point& point : points) {
    if (front.empty() || point.error < front.back().error) front.push_back(std::move(point));
  }
  return front;
}

}  // namespace normgraft
