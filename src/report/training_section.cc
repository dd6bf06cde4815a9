#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "html.h"
#include "sections.h"
#include "svg.h"

namespace normgraft {
namespace {

/// (epoch, value) of every line that has both.
std::vector<PlotPoint> curve(const std::vector<Json>& epochs, const std::string& key) {
  std::vector<PlotPoint> points;
  for (const Json& line : epochs) {
    const auto epoch = number_at(line, "epoch"), value = number_at(line, key);
    if (epoch && value) points.push_back({*epoch, *value});
  }
  return points;
}

struct Curve {
  std::string css;
  std::string label;
  std::vector<PlotPoint> points;
};

std::string draw_curves(const std::string& title, const std::string& unit, const std::vector<Curve>& curves) {
  double low = 1e300, high = -1e300, first = 1e300, last = -1e300;
  std::vector<LegendEntry> entries;
  for (const Curve& c : curves) {
    for (const PlotPoint& p : c.points) {
      low = std::min(low, p.y), high = std::max(high, p.y);
      first = std::min(first, p.x), last = std::max(last, p.x);
    }
    if (!c.points.empty()) entries.push_back({"dot", c.css, c.label});
  }
  if (entries.empty()) return {};
  const double room = std::max((high - low) * 0.08, 1e-3);
  Axis x = linear_axis(first - 0.3, last + 0.3, "epoch", static_cast<int>(std::min(last - first, 10.0)));
  std::erase_if(x.ticks, [](const Tick& tick) { return tick.at != std::round(tick.at); });
  Chart chart(580, 260, x, linear_axis(low - room, high + room, unit, 5), title);
  for (const Curve& c : curves) {
    chart.line(c.points, c.css + " medium");
    for (const PlotPoint& p : c.points) {
      chart.circle(p, 3, "dot " + c.css,
                   fmt::format("epoch {}: {}", format_short(p.x), format_short(p.y, 5)));
    }
  }
  return fmt::format("<figure><figcaption>{}</figcaption>{}{}</figure>", title, chart.str(),
                     render_legend(entries));
}

}  // namespace

std::string render_training(const std::vector<Json>& epochs) {
  std::vector<PlotPoint> top1 = curve(epochs, "held_out_top1"),
                         agreement = curve(epochs, "held_out_agreement");
  for (PlotPoint& p : top1) p.y *= 100;
  for (PlotPoint& p : agreement) p.y *= 100;
  const std::string loss =
      draw_curves("Loss", "loss",
                  {{"chosen", "training pictures, augmented", curve(epochs, "loss")},
                   {"best", "training pictures kept apart", curve(epochs, "held_out_loss")}});
  const std::string accuracy =
      draw_curves("Training pictures kept apart", "%",
                  {{"best", "top-1", top1}, {"chosen", "agreement with the teacher", agreement}});
  if (loss.empty() && accuracy.empty()) return {};
  return "<section id=\"training\"><h2>Re-alignment</h2>\n<div class=\"card\"><div class=\"panels\">" + loss +
         accuracy + "</div></div></section>\n";
}

}  // namespace normgraft
