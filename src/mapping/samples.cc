#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "grouping.h"
#include "normgraft/core/error.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {
namespace {

/// Joins adjacent bins into at most `count`; bins without weight are dropped.
std::vector<Moments> join_bins(std::vector<Moments> bins, size_t count) {
  std::erase_if(bins, [](const Moments& m) { return !(m.weight > 0); });
  if (count == 0 || bins.size() <= count) return bins;
  std::vector<double> mass, position;
  for (const Moments& m : bins) {
    mass.push_back(m.weight);
    position.push_back(m.x);
  }
  std::vector<size_t> starts = group_items(mass, position, count);
  starts.push_back(bins.size());
  std::vector<Moments> joined(starts.size() - 1);
  for (size_t group = 0; group < joined.size(); ++group) {
    for (size_t i = starts[group]; i < starts[group + 1]; ++i) joined[group].merge(bins[i]);
  }
  return joined;
}

struct Point {
  double x, y, weight;
};

/// Appends the points of one bin and returns what they leave of its sum of squares.
double append_points(const Moments& bin, std::vector<Point>& points) {
  const double spread = std::sqrt(bin.sxx / bin.weight);
  if (static_cast<float>(bin.x - spread) == static_cast<float>(bin.x + spread)) {
    points.push_back({bin.x, bin.y, bin.weight});
    return bin.syy;
  }
  const double rise = bin.sxy / (spread * bin.weight);
  points.push_back({bin.x - spread, bin.y - rise, bin.weight / 2});
  points.push_back({bin.x + spread, bin.y + rise, bin.weight / 2});
  return std::max(0.0, bin.syy - bin.sxy * bin.sxy / bin.sxx);
}

}  // namespace

std::span<const Fold> folds_of(Part part) {
  static constexpr Fold kAll[] = {Fold::kFirstHalf, Fold::kSecondHalf, Fold::kChoose, Fold::kReport};
  const std::span<const Fold> all(kAll);
  switch (part) {
    case Part::kFit:
      return all.first(2);
    case Part::kChoose:
      return all.subspan(2, 1);
    case Part::kReport:
      return all.subspan(3, 1);
    case Part::kAll:
      break;
  }
  return all;
}

std::vector<Moments> SiteMapping::of(Measure measure, Part part) const {
  std::vector<Moments> sum(bin_count());
  for (const Fold fold : folds_of(part)) {
    const std::vector<Moments>& moments = of(measure, fold);
    for (size_t i = 0; i < sum.size(); ++i) sum[i].merge(moments[i]);
  }
  return sum;
}

Moments SiteMapping::y_of(Measure measure, Part part) const {
  Moments sum;
  for (const Fold fold : folds_of(part))
    sum.merge(y[static_cast<size_t>(measure)][static_cast<size_t>(fold)]);
  return sum;
}

OfFolds<Moments> y_of_bins(const SiteMapping& site) {
  OfFolds<Moments> y;
  for (size_t measure = 0; measure < kMeasures; ++measure) {
    for (size_t fold = 0; fold < kFolds; ++fold) {
      Moments all;
      for (const Moments& bin : site.bins[measure][fold]) all.merge(bin);
      y[measure][fold] = {
          .weight = all.weight, .x = 0, .y = all.y, .sxx = 0, .sxy = 0, .syy = all.syy, .weight2 = 0};
    }
  }
  return y;
}

double effective_pairs(const SiteMapping& site, Measure measure, Part part) {
  Moments all;
  for (const Moments& bin : site.of(measure, part)) all.merge(bin);
  return all.weight2 > 0 ? all.weight * all.weight / all.weight2 : 0;
}

Samples make_samples(const SiteMapping& site, Measure measure, Part part, size_t max_bins) {
  const std::vector<Moments> bins = join_bins(site.of(measure, part), max_bins);
  std::vector<Point> points;
  Moments all;
  double residual = 0;
  for (const Moments& bin : bins) {
    residual += append_points(bin, points);
    all.merge(bin);
  }
  std::stable_sort(points.begin(), points.end(), [](const Point& a, const Point& b) { return a.x < b.x; });
  Samples samples;
  samples.total_weight = all.weight;
  if (points.empty()) return samples;
  samples.residual = residual / all.weight;
  const Moments y = site.y_of(measure, part);
  samples.variance = y.syy / y.weight;
  for (const Point& p : points) {
    samples.x.push_back(static_cast<float>(p.x));
    samples.y.push_back(static_cast<float>(p.y));
    samples.weight.push_back(static_cast<float>(p.weight / all.weight));
  }
  return samples;
}

Fit evaluate_fit(const std::function<double(double)>& f, const Samples& samples) {
  double error = samples.residual;
  for (size_t i = 0; i < samples.size(); ++i) {
    const double difference = f(samples.x[i]) - samples.y[i];
    error += samples.weight[i] * difference * difference;
  }
  return {error, 1 - error / samples.variance};
}

Fit evaluate_fit(const Expression& f, const Samples& samples) {
  return evaluate_fit([&](double x) { return f(x); }, samples);
}

const SiteMapping& Mappings::site(const std::string& name) const {
  const auto found = std::find_if(sites.begin(), sites.end(), [&](const auto& s) { return s.name == name; });
  if (found == sites.end()) {
    throw InputError(fmt::format("no norm site {} among the {} mappings of {}", name, sites.size(), model));
  }
  return *found;
}

}  // namespace normgraft
