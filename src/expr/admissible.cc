#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "normgraft/expr/expression.h"

namespace normgraft {
namespace {

/// Beyond this the proof of tail() alone has to do.
constexpr double kOutermost = 1e6;

/// Interval arithmetic overestimates, less so on smaller pieces: how often a piece may be halved.
constexpr int kHalvings = 12;

bool finite_float(Interval y) {
  constexpr double kMax = std::numeric_limits<float>::max();
  return -kMax <= y.low && y.high <= kMax;
}

/// The first piece of x on which f cannot be shown to be finite.
std::optional<Interval> first_gap(const Expression& f, Interval x, int halvings = kHalvings) {
  if (finite_float(f.bound(x))) return std::nullopt;
  if (halvings == 0) return x;
  const double middle = x.low + (x.high - x.low) / 2;
  const std::optional<Interval> gap = first_gap(f, {x.low, middle}, halvings - 1);
  return gap ? gap : first_gap(f, {middle, x.high}, halvings - 1);
}

/// From `start` outwards to kOutermost in pieces of doubling width.
std::optional<Interval> first_gap_outwards(const Expression& f, double start, double direction) {
  double at = start;
  for (double step = std::max(1.0, std::abs(start)); at * direction < kOutermost; step *= 2) {
    const double next = at + direction * step;
    if (const auto gap = first_gap(f, {std::min(at, next), std::max(at, next)})) return gap;
    at = next;
  }
  return std::nullopt;
}

}  // namespace

std::string why_not_admissible(const Expression& expression, Interval seen, double scale) {
  if (!seen.finite() || seen.low > seen.high) {
    return fmt::format("the range seen, [{}, {}], is not finite", seen.low, seen.high);
  }
  const Interval wide{std::min(seen.low, seen.low * scale), std::max(seen.high, seen.high * scale)};
  std::optional<Interval> gap = first_gap(expression, wide);
  if (!gap) gap = first_gap_outwards(expression, wide.low, -1);
  if (!gap) gap = first_gap_outwards(expression, wide.high, 1);
  if (gap) {
    return fmt::format("it may overflow or leave its domain at x = {:.6g} (seen: {:.6g} to {:.6g})",
                       gap->low + (gap->high - gap->low) / 2, seen.low, seen.high);
  }
  if (tail(expression) == Tail::kUnbounded)
    return "it may grow faster than linearly far outside the range seen";
  return {};
}

}  // namespace normgraft
