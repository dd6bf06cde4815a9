#include <fmt/format.h>

#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "closed_forms.h"
#include "grouping.h"
#include "levenberg.h"

namespace normgraft {
namespace {

constexpr size_t kPoints = 192;       ///< that stand for the samples while knots are looked for
constexpr int kSweeps = 6;            ///< over all knots, of moves that lower the error
constexpr int kLineIterations = 100;  ///< of the fit on all samples

/// What lines are fitted to, by increasing x.
struct Points {
  std::vector<double> x, y, weight;

  size_t size() const { return x.size(); }
};

Points all_points(const Samples& samples) {
  return {{samples.x.begin(), samples.x.end()},
          {samples.y.begin(), samples.y.end()},
          {samples.weight.begin(), samples.weight.end()}};
}

/// Groups of neighbouring samples, each at its mean; every x once.
Points few_points(const Samples& samples) {
  const std::vector<double> mass(samples.weight.begin(), samples.weight.end());
  const std::vector<double> position(samples.x.begin(), samples.x.end());
  std::vector<size_t> starts = group_items(mass, position, kPoints);
  starts.push_back(samples.size());
  Points points;
  for (size_t group = 0; group + 1 < starts.size(); ++group) {
    Moments mean;
    for (size_t i = starts[group]; i < starts[group + 1]; ++i) {
      mean.merge({.weight = samples.weight[i], .x = samples.x[i], .y = samples.y[i]});
    }
    if (!(mean.weight > 0) || (!points.x.empty() && mean.x == points.x.back())) continue;
    points.x.push_back(mean.x);
    points.y.push_back(mean.y);
    points.weight.push_back(mean.weight);
  }
  return points;
}

/// Knots as gaps: gap i lies between points i and i + 1. Increasing.
using Gaps = std::vector<size_t>;

/// Residual sums of squares of the lines through points i to j.
class SegmentErrors {
 public:
  explicit SegmentErrors(const Points& points) : errors_(points.size()) {
    for (size_t i = 0; i < points.size(); ++i) {
      Moments sum;
      for (size_t j = i; j < points.size(); ++j) {
        sum.merge({.weight = points.weight[j], .x = points.x[j], .y = points.y[j]});
        const double explained = sum.sxx > 0 ? sum.sxy * sum.sxy / sum.sxx : 0;
        errors_[i].push_back(std::max(0.0, sum.syy - explained));
      }
    }
  }
  double operator()(size_t i, size_t j) const { return errors_[i][j - i]; }

 private:
  std::vector<std::vector<double>> errors_;
};

/// For each number of gaps up to `most` those that leave the best lines between them, were these free to
/// jump, by dynamic programming. There are more than `most` points.
std::vector<Gaps> segmentations(const Points& points, size_t most) {
  const SegmentErrors error(points);
  const size_t n = points.size();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  // best[k][j]: of points 0 to j in k + 1 segments; from[k][j]: the first point of the last one.
  std::vector<std::vector<double>> best(most + 1, std::vector<double>(n, kInfinity));
  std::vector<std::vector<size_t>> from(most + 1, std::vector<size_t>(n, 0));
  for (size_t j = 0; j < n; ++j) best[0][j] = error(0, j);
  for (size_t k = 1; k <= most; ++k) {
    for (size_t j = k; j < n; ++j) {
      for (size_t i = k; i <= j; ++i) {
        const double sum = best[k - 1][i - 1] + error(i, j);
        if (sum < best[k][j]) {
          best[k][j] = sum;
          from[k][j] = i;
        }
      }
    }
  }
  std::vector<Gaps> all;
  for (size_t k = 0; k <= most; ++k) {
    Gaps gaps(k);
    size_t end = n - 1;
    for (size_t left = k; left > 0; --left) {
      const size_t start = from[left][end];
      gaps[left - 1] = end = start - 1;
    }
    all.push_back(std::move(gaps));
  }
  return all;
}

/// A continuous piecewise-linear function with knots.
struct Lines {
  std::vector<double> knots;
  Eigen::VectorXd factors;  ///< of x, of the clips, of the max, and the offset
  double error = 0;         ///< on the points
};

/// The best factors for some knots, by weighted least squares.
Lines lines_between(const Points& points, std::vector<double> knots) {
  const auto n = static_cast<Eigen::Index>(points.size());
  const auto k = static_cast<Eigen::Index>(knots.size());
  Eigen::MatrixXd columns(n, k + 2);
  Eigen::VectorXd y(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    const auto at = static_cast<size_t>(i);
    const double root = std::sqrt(points.weight[at]);
    const double x = points.x[at];
    columns(i, 0) = root * x;
    for (size_t j = 0; j + 1 < knots.size(); ++j) {
      columns(i, static_cast<Eigen::Index>(j) + 1) = root * std::clamp(x, knots[j], knots[j + 1]);
    }
    if (k > 0) columns(i, k) = root * std::max(x, knots.back());
    columns(i, k + 1) = root;
    y(i) = root * points.y[at];
  }
  Lines lines{std::move(knots), columns.colPivHouseholderQr().solve(y)};
  lines.error = (columns * lines.factors - y).squaredNorm();
  return lines;
}

double middle(const Points& points, size_t gap) {
  return (points.x[gap] + points.x[gap + 1]) / 2;
}

std::vector<double> knots_in(const Points& points, const Gaps& gaps) {
  std::vector<double> knots;
  for (const size_t gap : gaps) knots.push_back(middle(points, gap));
  return knots;
}

double error_of(const Points& points, const Gaps& gaps) {
  return lines_between(points, knots_in(points, gaps)).error;
}

template <typename Value>
std::vector<Value> inserted(std::vector<Value> sorted, Value value) {
  sorted.insert(std::upper_bound(sorted.begin(), sorted.end(), value), value);
  return sorted;
}

/// The gap without a knot where one more lowers the error most.
size_t best_gap(const Points& points, const std::vector<double>& knots) {
  size_t best = 0;
  double error = std::numeric_limits<double>::infinity();
  for (size_t gap = 0; gap + 1 < points.size(); ++gap) {
    const double knot = middle(points, gap);
    if (std::find(knots.begin(), knots.end(), knot) != knots.end()) continue;
    const double with = lines_between(points, inserted(knots, knot)).error;
    if (with < error) {
      error = with;
      best = gap;
    }
  }
  return best;
}

/// Moves one knot after another to another gap while that lowers the error.
void improve(const Points& points, Gaps& gaps) {
  double error = error_of(points, gaps);
  const auto try_move = [&](size_t k, int step) {
    const auto low = static_cast<ptrdiff_t>(k == 0 ? 0 : gaps[k - 1] + 1);
    const auto high = static_cast<ptrdiff_t>(k + 1 == gaps.size() ? points.size() - 2 : gaps[k + 1] - 1);
    Gaps moved = gaps;
    moved[k] = static_cast<size_t>(std::clamp(static_cast<ptrdiff_t>(gaps[k]) + step, low, high));
    if (moved == gaps) return false;
    const double with = error_of(points, moved);
    if (!(with < error)) return false;
    gaps = std::move(moved);
    error = with;
    return true;
  };
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    bool moved = false;
    for (size_t k = 0; k < gaps.size(); ++k) {
      for (const int step : {-16, 16, -4, 4, -1, 1}) moved |= try_move(k, step);
    }
    if (!moved) break;
  }
}

/// For each number of knots up to kMostKnots where they may lie, seen on its own.
std::vector<std::vector<double>> first_knots(const Points& points) {
  std::vector<std::vector<double>> all;
  if (points.size() > kMostKnots + 1) {
    Gaps best;
    for (Gaps& gaps : segmentations(points, kMostKnots)) {
      if (!gaps.empty()) {
        Gaps more = inserted(best, best_gap(points, knots_in(points, best)));
        improve(points, more);
        improve(points, gaps);
        best = error_of(points, gaps) < error_of(points, more) ? gaps : more;
      }
      all.push_back(knots_in(points, best));
    }
    return all;
  }
  // The points determine none of them.
  const double width = points.x.back() - points.x.front();
  for (size_t k = 0; k <= kMostKnots; ++k) {
    std::vector<double>& knots = all.emplace_back();
    for (size_t j = 1; j <= k; ++j) {
      knots.push_back(points.x.front() + width * static_cast<double>(j) / static_cast<double>(k + 1));
    }
  }
  return all;
}

Expression expression_of(const Lines& lines) {
  const std::vector<double>& knots = lines.knots;
  std::vector<Instruction> program;
  const auto constant = [](double c) { return Instruction{Op::kConstant, {static_cast<float>(c), 0}}; };
  const auto append = [&](std::initializer_list<Instruction> steps) {
    program.insert(program.end(), steps.begin(), steps.end());
  };
  Eigen::Index next = 0;
  append({constant(lines.factors(next++)), {Op::kX}, {Op::kMul}});
  for (size_t j = 0; j + 1 < knots.size(); ++j) {
    const Instruction clip{Op::kClip, {static_cast<float>(knots[j]), static_cast<float>(knots[j + 1])}};
    append({constant(lines.factors(next++)), {Op::kX}, clip, {Op::kMul}, {Op::kAdd}});
  }
  append({constant(lines.factors(next++)),
          {Op::kX},
          constant(knots.back()),
          {Op::kMax},
          {Op::kMul},
          {Op::kAdd}});
  append({constant(lines.factors(next++)), {Op::kAdd}});
  return Expression(std::move(program));
}

std::vector<double> knots_of(const Expression& lines) {
  std::vector<double> knots;
  const auto program = lines.program();
  for (size_t i = 0; i < program.size(); ++i) {
    if (knots.empty() && program[i].op == Op::kClip) knots.push_back(program[i].c[0]);
    if (program[i].op == Op::kClip) knots.push_back(program[i].c[1]);
    if (knots.empty() && program[i].op == Op::kMax) knots.push_back(program[i - 1].c[0]);
  }
  return knots;
}

/// The parameters behind the constants of expression_of: a knot between two clips is one.
std::vector<ConstantLink> links_of(size_t knots) {
  int next = 0;
  std::vector<ConstantLink> links = {{next++}};
  int knot = ConstantLink::kFixed;  // where the next term begins
  for (size_t j = 0; j < knots; ++j) {
    links.push_back({next++});
    links.push_back({knot == ConstantLink::kFixed ? next++ : knot});
    if (j + 1 == knots) break;
    knot = next++;
    links.push_back({knot});
  }
  links.push_back({next});
  return links;
}

}  // namespace

std::vector<Expression> fit_lines(const Outline& o, const Allowed& allowed, FitWorkspace& workspace) {
  const Points few = few_points(o.samples);
  const Points all = all_points(o.samples);
  const std::vector<std::vector<double>> first = first_knots(few);
  std::vector<Expression> fitted;
  std::vector<double> knots;  // of the function before
  for (size_t k = 1; k <= kMostKnots; ++k) {
    Expression best;
    double error = std::numeric_limits<double>::infinity();
    std::vector<std::vector<double>> starts = {first[k]};
    if (few.size() > k) starts.push_back(inserted(knots, middle(few, best_gap(few, knots))));
    const auto keep_better = [&](Expression f, double reached) {
      if (!(reached < error) || !allowed(f)) return;
      error = reached;
      best = std::move(f);
    };
    for (const std::vector<double>& start : starts) {
      Expression f = expression_of(lines_between(all, start));
      const double reached =
          fit_linked_constants(f, links_of(k), o.samples, kLineIterations, workspace, allowed);
      Expression solved = expression_of(lines_between(all, knots_of(f)));  // where the iteration ended early
      const double error_solved = block_error(solved, o.samples, workspace);
      keep_better(std::move(f), reached);
      keep_better(std::move(solved), error_solved);
    }
    if (!std::isfinite(error)) throw std::runtime_error(fmt::format("no admissible fit of lines{}", k));
    knots = knots_of(best);
    if (k >= kFewestKnots) fitted.push_back(std::move(best));
  }
  return fitted;
}

}  // namespace normgraft
