#include <algorithm>
#include <limits>

#include "normgraft/mapping/mapping.h"

namespace normgraft {
namespace {

using FoldMoments = std::array<Moments, kFolds>;

void merge(FoldMoments& into, const FoldMoments& other) {
  for (size_t fold = 0; fold < kFolds; ++fold) into[fold].merge(other[fold]);
}

/// Kish's effective number of pairs of the fold that has fewest.
double fewest_pairs(const FoldMoments& bin) {
  double fewest = std::numeric_limits<double>::infinity();
  for (const Moments& m : bin) {
    fewest = std::min(fewest, m.weight > 0 ? m.weight * m.weight / m.weight2 : 0.0);
  }
  return fewest;
}

/// Joins adjacent bins until each fold has `min_pairs` effective pairs in each.
std::vector<FoldMoments> join_until(const SiteMapping& site, Measure measure, double min_pairs) {
  std::vector<FoldMoments> joined;
  FoldMoments open;
  for (size_t i = 0; i < site.bin_count(); ++i) {
    FoldMoments bin;
    for (size_t fold = 0; fold < kFolds; ++fold) bin[fold] = site.of(measure, static_cast<Fold>(fold))[i];
    merge(open, bin);
    if (fewest_pairs(open) >= min_pairs) {
      joined.push_back(open);
      open = {};
    }
  }
  if (joined.empty()) return {open};
  merge(joined.back(), open);
  return joined;
}

/// The regression line of one bin.
struct Line {
  explicit Line(const Moments& m) : x(m.x), y(m.y), slope(m.sxx > 0 ? m.sxy / m.sxx : 0) {}
  double at(double at_x) const { return y + slope * (at_x - x); }
  double x, y, slope;
};

/// Sum over the pairs of `judge` of w (y - a(x)) (y - b(x)).
double residual_product(const Moments& judge, const Line& a, const Line& b) {
  return judge.weight * (judge.y - a.at(judge.x)) * (judge.y - b.at(judge.x)) + judge.syy -
         (a.slope + b.slope) * judge.sxy + a.slope * b.slope * judge.sxx;
}

}  // namespace

double ceiling(const SiteMapping& site, Measure measure, Part part, double min_pairs) {
  const std::vector<FoldMoments> bins = join_until(site, measure, min_pairs);
  if (!(fewest_pairs(bins.front()) > 0)) return std::numeric_limits<double>::quiet_NaN();
  double error = 0;
  for (size_t judge = 0; judge < kFolds; ++judge) {
    const bool held_out = static_cast<Fold>(judge) == Fold::kHeldOut;
    if (part != Part::kAll && held_out != (part == Part::kHeldOut)) continue;
    for (const FoldMoments& bin : bins) {
      error += residual_product(bin[judge], Line(bin[(judge + 1) % kFolds]), Line(bin[(judge + 2) % kFolds]));
    }
  }
  return 1 - error / site.y_of(measure, part).syy;
}

}  // namespace normgraft
