#include "site_drawing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gap_axis.h"
#include "svg.h"

namespace normgraft {
namespace {

constexpr double kWidth = 590, kHeight = 290;
constexpr size_t kGroups = 300;   ///< points of the conditional mean, at most
constexpr size_t kColumns = 118;  ///< of the histogram
constexpr double kStripHeight = 0.16;
constexpr size_t kSteps = 500;  ///< points at which a function is evaluated before its line is simplified

/// Bins whose mean x lies in the range, those within one column of the drawing joined.
std::vector<Moments> groups_in(const std::vector<Moments>& bins, Interval range, size_t columns) {
  std::vector<Moments> groups;
  const double step = (range.high - range.low) / static_cast<double>(columns);
  double column = -1;
  for (const Moments& bin : bins) {
    if (!(bin.weight > 0) || !range.contains(bin.x)) continue;
    const double at = std::floor((bin.x - range.low) / step);
    if (groups.empty() || at != column) {
      groups.push_back(bin);
      column = at;
    } else {
      groups.back().merge(bin);
    }
  }
  return groups;
}

/// The density of x in columns over the range, as shares of the largest, under a square root: tails show so.
std::vector<double> density(const SiteMapping& mapping, const std::vector<Moments>& bins, Interval range) {
  std::vector<double> mass(kColumns, 0.0);
  const double step = (range.high - range.low) / static_cast<double>(kColumns);
  for (size_t i = 0; i < bins.size(); ++i) {
    const double left = mapping.edges[i], right = mapping.edges[i + 1];
    if (!(bins[i].weight > 0) || !(right > left) || right <= range.low || left >= range.high) continue;
    const auto first = static_cast<size_t>(std::max(0.0, std::floor((left - range.low) / step)));
    for (size_t c = first; c < kColumns && range.low + static_cast<double>(c) * step < right; ++c) {
      const double from = range.low + static_cast<double>(c) * step;
      const double overlap = std::min(right, from + step) - std::max(left, from);
      if (overlap > 0) mass[c] += bins[i].weight * overlap / (right - left);
    }
  }
  const double largest = *std::max_element(mass.begin(), mass.end());
  for (double& m : mass) m = largest > 0 ? std::sqrt(m / largest) : 0;
  return mass;
}

std::vector<PlotPoint> curve_of(const Expression& f, Interval range) {
  std::vector<PlotPoint> points;
  for (size_t i = 0; i <= kSteps; ++i) {
    const double x = range.low + (range.high - range.low) * static_cast<double>(i) / kSteps;
    points.push_back({x, f(x)});
  }
  return points;
}

/// f(x) - E[y given x] at the mean of each group.
std::vector<PlotPoint> residual_of(const Expression& f, const std::vector<Moments>& groups) {
  std::vector<PlotPoint> points;
  for (const Moments& g : groups) points.push_back({g.x, f(g.x) - g.y});
  return points;
}

Expression on_pairs(const SiteView& view, const Expression& f) {
  return of_pairs(f, view.mapping->carried);
}

const char* x_name(const SiteView& view) {
  return view.mapping->carried.channel ? "r" : "x";
}

/// Calls draw(function of the pairs, css) for each function, the important ones last.
template <typename Draw>
void for_each_function(const SiteView& view, const Draw& draw) {
  if (view.front != nullptr) {
    for (size_t i = 0; i < view.front->baselines.size(); ++i) {
      draw(on_pairs(view, view.front->baselines[i].point.expression), baseline_css(i));
    }
  }
  if (view.chosen) draw(on_pairs(view, view.chosen->expression), std::string("chosen thick"));
}

void grow(Interval& range, double v) {
  if (!std::isfinite(v)) return;
  range.low = std::min(range.low, v);
  range.high = std::max(range.high, v);
}

constexpr Interval kNothing{1e300, -1e300};

std::string describe(const FrontPoint& point, const std::string& unit) {
  return fmt::format("{}\ncost {} {}, R² held out {}", point.expression.to_string(), format_short(point.cost),
                     unit, format_fixed(point.held_out_r2, 5));
}

}  // namespace

Interval central_range(const SiteMapping& mapping, Measure measure, double tail) {
  const std::vector<Moments> bins = mapping.of(measure, Part::kAll);
  double total = 0;
  for (const Moments& bin : bins) total += bin.weight;
  Interval range = mapping.range();
  double below = 0;
  for (size_t i = 0; i < bins.size(); ++i) {
    if (below <= tail * total) range.low = mapping.edges[i];
    below += bins[i].weight;
    if (below >= (1 - tail) * total) {
      range.high = mapping.edges[i + 1];
      break;
    }
  }
  return range;
}

std::string draw_mapping(const SiteView& view, Measure measure, Interval range) {
  const std::vector<Moments> bins = view.mapping->of(measure, Part::kAll);
  const std::vector<Moments> groups = groups_in(bins, range, kGroups);
  if (groups.empty() || !(range.high > range.low)) return {};

  std::vector<PlotPoint> mean, low, high;
  Interval seen = kNothing;
  for (const Moments& g : groups) {
    const double spread = std::sqrt(std::max(g.syy, 0.0) / g.weight);
    mean.push_back({g.x, g.y});
    low.push_back({g.x, g.y - spread});
    high.push_back({g.x, g.y + spread});
    grow(seen, g.y - spread);
    grow(seen, g.y + spread);
  }
  const double room = 0.06 * (seen.high - seen.low);
  Chart chart(
      kWidth, kHeight, linear_axis(range.low, range.high, x_name(view), 8),
      linear_axis(seen.low - 3 * room, seen.high + room, view.mapping->carried.channel ? "1 / s" : "y", 6),
      fmt::format("Mapping of {}", view.mapping->name));
  std::vector<double> strip = density(*view.mapping, bins, range);
  for (double& height : strip) height *= kStripHeight;
  chart.strip(strip, "mass");
  chart.band(low, high, "spread");
  chart.line(mean, "mapping medium");
  for_each_function(
      view, [&](const Expression& f, const std::string& css) { chart.line(curve_of(f, range), css); });
  return chart.str();
}

std::string draw_residuals(const SiteView& view, Measure measure, Interval range) {
  const std::vector<Moments> groups = groups_in(view.mapping->of(measure, Part::kAll), range, kGroups / 3);
  if (groups.empty() || !(range.high > range.low)) return {};
  Interval seen{-1e-4, 1e-4};
  const auto show = [&](const Expression& f) {
    for (const PlotPoint& p : residual_of(f, groups)) grow(seen, p.y);
  };
  if (view.best != nullptr) show(on_pairs(view, view.best->point.expression));
  if (view.chosen) show(on_pairs(view, view.chosen->expression));
  const double room = 0.1 * (seen.high - seen.low);
  Chart chart(kWidth, kHeight, linear_axis(range.low, range.high, x_name(view), 8),
              linear_axis(seen.low - room, seen.high + room,
                          fmt::format("{} − mean", view.mapping->carried.channel ? "g(r)" : "f(x)"), 6),
              fmt::format("Deviation from the mapping of {}", view.mapping->name));
  chart.rule(0, "mapping medium");
  for_each_function(
      view, [&](const Expression& f, const std::string& css) { chart.line(residual_of(f, groups), css); });
  return chart.str();
}

std::string draw_front(const SiteView& view, const std::string& unit) {
  if (view.front == nullptr) return {};
  const SiteFront& front = *view.front;
  const auto gap = [&](double r2) { return view.ceiling() - r2; };

  std::vector<double> gaps;
  double dearest = 1;
  const auto see = [&](double cost, double r2) {
    gaps.push_back(gap(r2));
    if (std::isfinite(cost)) dearest = std::max(dearest, cost);
  };
  for (const FrontPoint& p : front.front) see(p.cost, p.held_out_r2);
  for (const BaselinePoint& b : front.baselines) see(b.point.cost, b.point.held_out_r2);
  if (view.chosen) see(view.chosen->cost, view.chosen->held_out_r2);

  const GapAxis scale(gaps);
  Chart chart(kWidth, kHeight, linear_axis(-0.04 * dearest, 1.08 * dearest, "cost, " + unit, 8), scale.axis(),
              fmt::format("Front of {}", front.site), {60, 12, 10, 38});
  chart.rule(scale.ceiling(), "ceiling dash medium");
  const auto place = [&](const FrontPoint& p) { return PlotPoint{p.cost, scale.at(gap(p.held_out_r2))}; };

  for (const auto& seed : front.seeds) {
    for (const FrontPoint& p : seed) {
      if (p.cost <= 1.06 * dearest) chart.circle(place(p), 2, "speck other");
    }
  }
  std::vector<PlotPoint> line;
  for (const FrontPoint& p : front.front) line.push_back(place(p));
  chart.line(line, "chosen");
  for (const FrontPoint& p : front.front) chart.circle(place(p), 3.2, "ring chosen", describe(p, unit));
  for (size_t i = 0; i < front.baselines.size(); ++i) {
    const FrontPoint& p = front.baselines[i].point;
    chart.cross(place(p), 3.5, baseline_css(i) + " medium",
                front.baselines[i].name + ": " + describe(p, unit));
  }
  if (view.chosen) {
    const PlotPoint at{view.chosen->cost, scale.at(gap(view.chosen->held_out_r2))};
    chart.circle(at, 6, "dot chosen", "chosen: " + view.chosen->expression.to_string());
    chart.label(at, "chosen", "chosen strong");
  }
  for (size_t i = 0; i < front.baselines.size(); ++i) {
    chart.label(place(front.baselines[i].point), front.baselines[i].name, baseline_css(i));
  }
  return chart.str();
}

std::vector<LegendEntry> mapping_legend(const SiteView& view) {
  std::vector<LegendEntry> entries;
  if (view.chosen) entries.push_back({"thick", "chosen", "chosen function"});
  entries.push_back({"line", "mapping", "conditional mean of y"});
  entries.push_back({"band", "spread", "± one standard deviation"});
  entries.push_back({"band", "mass", "density of x (square root)"});
  if (view.front != nullptr) {
    for (size_t i = 0; i < view.front->baselines.size(); ++i) {
      entries.push_back({"line", baseline_css(i), view.front->baselines[i].name});
    }
  }
  return entries;
}

}  // namespace normgraft
