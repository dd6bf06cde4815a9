#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "normgraft/expr/expression.h"

namespace normgraft {
namespace {

/// Beyond this the proof of tail() alone has to do.
constexpr double kOutermost = 1e6;

/// Interval arithmetic overestimates, less so on smaller pieces: how often a piece of x may be halved, and
/// how often one of r.
constexpr int kHalvings = 12;
constexpr int kHalvingsOfR = 8;

/// A piece of x and r, and how often it may still be halved in each.
struct Piece {
  Interval x;
  Interval r;
  int halvings_x = kHalvings;
  int halvings_r = kHalvingsOfR;
};

double middle(Interval i) {
  return i.low + (i.high - i.low) / 2;
}

std::array<Piece, 2> halves(const Piece& whole) {
  std::array<Piece, 2> pieces{whole, whole};
  if (whole.halvings_x > whole.halvings_r) {
    pieces[0].x.high = pieces[1].x.low = middle(whole.x);
    for (Piece& piece : pieces) --piece.halvings_x;
  } else {
    pieces[0].r.high = pieces[1].r.low = middle(whole.r);
    for (Piece& piece : pieces) --piece.halvings_r;
  }
  return pieces;
}

/// The first piece on which |f| cannot be shown to be at most `most`.
std::optional<Piece> first_gap(const Expression& f, const Piece& piece, double most) {
  const Interval y = f.bound(piece.x, piece.r);
  if (-most <= y.low && y.high <= most) return std::nullopt;
  if (piece.halvings_x + piece.halvings_r == 0) return piece;
  for (const Piece& half : halves(piece)) {
    if (const auto gap = first_gap(f, half, most)) return gap;
  }
  return std::nullopt;
}

/// The same on all of x and r; only what f reads is cut.
std::optional<Piece> first_gap(const Expression& f, Interval x, Interval r,
                               double most = std::numeric_limits<float>::max()) {
  return first_gap(f, {x, r, f.reads(Op::kX) ? kHalvings : 0, f.reads(Op::kR) ? kHalvingsOfR : 0}, most);
}

Interval widened(Interval seen, double scale) {
  return {std::min(seen.low, seen.low * scale), std::max(seen.high, seen.high * scale)};
}

/// From `start` outwards to kOutermost in pieces of doubling width.
std::optional<Piece> first_gap_outwards(const Expression& f, double start, double direction, Interval r) {
  double at = start;
  for (double step = std::max(1.0, std::abs(start)); at * direction < kOutermost; step *= 2) {
    const double next = at + direction * step;
    if (const auto gap = first_gap(f, {std::min(at, next), std::max(at, next)}, r)) return gap;
    at = next;
  }
  return std::nullopt;
}

/// Where x g(r) may not be finite as far as kOutermost, for g as a function of x; the piece is one of r, at
/// the right end of `wide`.
std::optional<Piece> first_gap_of_factor(const Expression& g, Interval wide, Interval r) {
  const double most = std::numeric_limits<float>::max() / std::max({kOutermost, -wide.low, wide.high});
  const auto gap = first_gap(g, {.x = r, .r = {}, .halvings_x = kHalvingsOfR, .halvings_r = 0}, most);
  if (!gap) return {};
  return Piece{.x = Interval::point(wide.high), .r = gap->x};
}

std::string not_finite(std::string_view what, Interval range) {
  return fmt::format("{}, [{}, {}], is not finite", what, range.low, range.high);
}

bool is_range(Interval i) {
  return i.finite() && i.low <= i.high;
}

}  // namespace

std::string why_not_admissible(const Expression& expression, const Seen& seen, double scale) {
  const auto& [x, r] = seen;
  const bool reads_r = expression.reads(Op::kR);
  if (!is_range(x)) return not_finite("the range seen", x);
  if (reads_r && !is_range(r)) return not_finite("it reads r, whose interval", r);
  const Interval wide = widened(x, scale);
  const auto factor = reads_r ? factor_of_r(expression) : std::nullopt;
  std::optional<Piece> gap = factor ? first_gap_of_factor(*factor, wide, r) : first_gap(expression, wide, r);
  if (!factor && !gap) gap = first_gap_outwards(expression, wide.low, -1, r);
  if (!factor && !gap) gap = first_gap_outwards(expression, wide.high, 1, r);
  if (gap) {
    const std::string where = reads_r ? fmt::format(", r = {:.6g}", middle(gap->r)) : "";
    return fmt::format("it may overflow or leave its domain at x = {:.6g}{} (seen: {:.6g} to {:.6g})",
                       middle(gap->x), where, x.low, x.high);
  }
  if (!factor && tail(expression, r) == Tail::kUnbounded)
    return "it may grow faster than linearly far outside the range seen";
  return {};
}

bool stays_within(const Expression& expression, double most, const Seen& seen, double scale) {
  if (expression.reads(Op::kR) && !is_range(seen.r)) return false;
  return !first_gap(expression, widened(seen.x, scale), seen.r, most);
}

}  // namespace normgraft
