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

/// The first piece of x on which |f| cannot be shown to be at most `most`.
std::optional<Interval> first_gap(const Expression& f, Interval x,
                                  double most = std::numeric_limits<float>::max(), int halvings = kHalvings) {
  const Interval y = f.bound(x);
  if (-most <= y.low && y.high <= most) return std::nullopt;
  if (halvings == 0) return x;
  const double middle = x.low + (x.high - x.low) / 2;
  const std::optional<Interval> gap = first_gap(f, {x.low, middle}, most, halvings - 1);
  return gap ? gap : first_gap(f, {middle, x.high}, most, halvings - 1);
}

Interval widened(Interval seen, double scale) {
  return {std::min(seen.low, seen.low * scale), std::max(seen.high, seen.high * scale)};
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
  const Interval wide = widened(seen, scale);
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

bool stays_within(const Expression& expression, double most, Interval seen, double scale) {
  return !first_gap(expression, widened(seen, scale), most);
}

}  // namespace normgraft
