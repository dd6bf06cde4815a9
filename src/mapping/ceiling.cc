#include <algorithm>
#include <array>
#include <limits>

#include "normgraft/mapping/mapping.h"

namespace normgraft {
namespace {

/// What regressions are estimated on: the two halves, and all pictures that are not fitted on.
constexpr size_t kGroups = 3;
using GroupMoments = std::array<Moments, kGroups>;

size_t group_of(Fold fold) {
  return std::min(static_cast<size_t>(fold), kGroups - 1);
}

/// One bin as a judge sees it, and as regressions do.
struct Bin {
  std::array<Moments, kFolds> folds;
  GroupMoments groups;

  void merge(const Bin& other) {
    for (size_t fold = 0; fold < kFolds; ++fold) folds[fold].merge(other.folds[fold]);
    for (size_t group = 0; group < kGroups; ++group) groups[group].merge(other.groups[group]);
  }
};

/// Kish's effective number of pairs of the group that has fewest.
double fewest_pairs(const Bin& bin) {
  double fewest = std::numeric_limits<double>::infinity();
  for (const Moments& m : bin.groups) {
    fewest = std::min(fewest, m.weight > 0 ? m.weight * m.weight / m.weight2 : 0.0);
  }
  return fewest;
}

/// Joins adjacent bins until each group has `min_pairs` effective pairs in each.
std::vector<Bin> join_until(const SiteMapping& site, Measure measure, double min_pairs) {
  std::vector<Bin> joined;
  Bin open;
  for (size_t i = 0; i < site.bin_count(); ++i) {
    Bin bin;
    for (const Fold fold : folds_of(Part::kAll)) {
      const Moments& moments = site.of(measure, fold)[i];
      bin.folds[static_cast<size_t>(fold)] = moments;
      bin.groups[group_of(fold)].merge(moments);
    }
    open.merge(bin);
    if (fewest_pairs(open) >= min_pairs) {
      joined.push_back(open);
      open = {};
    }
  }
  if (joined.empty()) return {open};
  joined.back().merge(open);
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
  const std::vector<Bin> bins = join_until(site, measure, min_pairs);
  const Moments y = site.y_of(measure, part);
  if (!(fewest_pairs(bins.front()) > 0) || !(y.weight > 0)) return std::numeric_limits<double>::quiet_NaN();
  double error = 0;
  for (const Fold judge : folds_of(part)) {
    const size_t own = group_of(judge);
    for (const Bin& bin : bins) {
      error += residual_product(bin.folds[static_cast<size_t>(judge)], Line(bin.groups[(own + 1) % kGroups]),
                                Line(bin.groups[(own + 2) % kGroups]));
    }
  }
  return 1 - error / y.syy;
}

}  // namespace normgraft
