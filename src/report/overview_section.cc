#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gap_axis.h"
#include "html.h"
#include "sections.h"
#include "svg.h"

namespace normgraft {
namespace {

using Figure = double (*)(const SiteView&);

double ceiling_of(const SiteView& view) {
  return view.ceiling();
}
double best_of(const SiteView& view) {
  return view.best_r2();
}
double tanh_of(const SiteView& view) {
  return view.tanh_r2();
}
double chosen_of(const SiteView& view) {
  return view.chosen_r2();
}
double gap_closed_of(const SiteView& view) {
  return view.gap_closed();
}
double cost_of(const SiteView& view) {
  return view.chosen ? view.chosen->cost : std::nan("");
}

std::vector<double> finite_figures(const std::vector<SiteView>& views, Figure figure) {
  std::vector<double> out;
  for (const SiteView& view : views) {
    if (std::isfinite(figure(view))) out.push_back(figure(view));
  }
  return out;
}

/// Mean over the sites that have the figure; NaN when none has.
double mean(const std::vector<SiteView>& views, Figure figure) {
  const std::vector<double> values = finite_figures(views, figure);
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

std::vector<PlotPoint> over_sites(const std::vector<SiteView>& views, Figure figure) {
  std::vector<PlotPoint> points;
  for (const SiteView& view : views) points.push_back({static_cast<double>(view.index), figure(view)});
  return points;
}

Axis site_axis(const std::vector<SiteView>& views, bool named) {
  Axis axis{-0.6, static_cast<double>(views.size()) - 0.4, "", {}, true};
  for (const SiteView& view : views) {
    axis.ticks.push_back({static_cast<double>(view.index), named ? view.mapping->name : ""});
  }
  return axis;
}

void dots(Chart& chart, const std::vector<SiteView>& views, Figure figure, const std::string& css,
          double radius, const GapAxis* gaps) {
  for (const SiteView& view : views) {
    const double r2 = figure(view);
    const double y = gaps == nullptr ? r2 : gaps->at(view.ceiling() - r2);
    const std::string tooltip = fmt::format("{}: R² {}", view.mapping->name, format_fixed(r2, 5));
    chart.circle({static_cast<double>(view.index), y}, radius, css, tooltip);
  }
}

std::string draw_r2(const std::vector<SiteView>& views) {
  double low = 1, high = 0;
  for (const Figure figure : {ceiling_of, best_of, tanh_of, chosen_of}) {
    for (const double r2 : finite_figures(views, figure)) low = std::min(low, r2), high = std::max(high, r2);
  }
  low = std::max(low, -0.5);
  const double room = std::max(0.06 * (high - low), 0.004);
  Chart chart(1200, 220, site_axis(views, false), linear_axis(low - room, high + room, "R², held out", 5),
              "Held-out R² of each site", {62, 12, 10, 12});
  const auto ceilings = over_sites(views, ceiling_of), tanhs = over_sites(views, tanh_of);
  chart.line(ceilings, "ceiling dash medium");
  chart.line(tanhs, "b3");
  dots(chart, views, tanh_of, "ring b3", 3.5, nullptr);
  dots(chart, views, best_of, "dot best", 4.5, nullptr);
  dots(chart, views, chosen_of, "dot chosen", 3.5, nullptr);
  return chart.str();
}

std::string draw_gaps(const std::vector<SiteView>& views) {
  std::vector<double> gaps;
  for (const SiteView& view : views) {
    for (const Figure figure : {best_of, tanh_of, chosen_of}) gaps.push_back(view.ceiling() - figure(view));
  }
  const GapAxis scale(gaps);
  Chart chart(1200, 300, site_axis(views, true), scale.axis(), "Gap to the ceiling of each site",
              {62, 12, 10, 92});
  chart.rule(scale.ceiling(), "ceiling dash medium");
  for (const SiteView& view : views) {
    const double x = static_cast<double>(view.index);
    const PlotPoint from{x, scale.at(view.ceiling() - view.best_r2())},
        to{x, scale.at(view.ceiling() - view.chosen_r2())};
    chart.line(std::vector<PlotPoint>{from, to}, "chosen medium");
  }
  dots(chart, views, tanh_of, "ring b3", 3.5, &scale);
  dots(chart, views, best_of, "dot best", 4.5, &scale);
  dots(chart, views, chosen_of, "dot chosen", 4, &scale);
  return chart.str();
}

/// How often, and by how much, the chosen functions are better than the closed forms.
std::string verdict(const std::vector<SiteView>& views) {
  size_t compared = 0, better = 0, no_dearer = 0;
  for (const SiteView& view : views) {
    if (!view.chosen || view.best == nullptr) continue;
    ++compared;
    if (view.chosen_r2() <= view.best_r2()) continue;
    ++better;
    if (view.chosen->cost <= view.best->point.cost) ++no_dearer;
  }
  if (compared == 0) return {};
  std::string out = fmt::format(
      "<p>On pictures held out, <b>{} of {}</b> chosen functions are more accurate than every closed form "
      "fitted to the same "
      "pictures, <b>{}</b> of them at no higher cost than the best of these.",
      better, compared, no_dearer);
  const std::vector<double> closed = finite_figures(views, gap_closed_of);
  if (!closed.empty()) {
    out += fmt::format(" Share of the gap to the ceiling closed: median <b>{} %</b>, worst <b>{} %</b>.",
                       format_percent(median(closed)),
                       format_percent(*std::min_element(closed.begin(), closed.end())));
  }
  return out + "</p>\n";
}

std::string r2_cell(double r2) {
  return fmt::format("<td class=\"n\">{}</td>", format_fixed(r2, 5));
}

std::string table_row(const SiteView& view) {
  return fmt::format(
      "<tr><td class=\"site\"><a href=\"#{}\">{}</a></td>{}{}<td class=\"form\">{}</td>{}{}"
      "<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"function\"><code>{}</code></td></tr>\n",
      view.anchor(), escape_html(view.mapping->name), r2_cell(view.ceiling()), r2_cell(view.best_r2()),
      view.best != nullptr ? escape_html(view.best->name) : "", r2_cell(view.tanh_r2()),
      r2_cell(view.chosen_r2()), format_percent(view.gap_closed()), format_short(cost_of(view)),
      view.chosen ? escape_html(view.chosen->expression.to_string()) : "–");
}

std::string draw_table(const ReportInput& input, const std::vector<SiteView>& views) {
  std::string out = fmt::format(
      "<div class=\"scroll\"><table><thead><tr><th>Site</th><th class=\"n\">Ceiling</th><th class=\"n\" "
      "colspan=\"2\">R², best closed "
      "form</th><th class=\"n\">R², tanh(a x)</th><th class=\"n\">R², chosen</th><th class=\"n\">Gap closed, "
      "%</th><th "
      "class=\"n\">Cost, {}</th><th class=\"function\">Chosen function</th></tr></thead><tbody>\n",
      escape_html(input.fronts.unit));
  for (const SiteView& view : views) out += table_row(view);
  return out + fmt::format(
                   "<tr class=\"mean\"><td>mean</td>{}{}<td></td>{}{}<td class=\"n\">{}</td><td "
                   "class=\"n\">{}</td><td></td></tr>\n"
                   "</tbody></table></div>\n",
                   r2_cell(mean(views, ceiling_of)), r2_cell(mean(views, best_of)),
                   r2_cell(mean(views, tanh_of)), r2_cell(mean(views, chosen_of)),
                   format_percent(mean(views, gap_closed_of)), format_short(mean(views, cost_of)));
}

}  // namespace

std::string render_overview(const ReportInput& input, const std::vector<SiteView>& views) {
  if (views.empty()) return {};
  std::string out = "<section id=\"sites\"><h2>The sites compared</h2>\n";
  if (input.mappings.weighted && input.fronts.options.measure == Measure::kWeight) {
    out +=
        "<p class=\"note\">Errors count by what they cost the network: R² and ceilings are weighted by the "
        "Fisher "
        "information of each pair. Those of plain pairs stand beside them site by site.</p>\n";
  }
  out += verdict(views);
  const bool searched =
      std::any_of(views.begin(), views.end(), [](const SiteView& v) { return v.front != nullptr; });
  if (searched) {
    out += "<div class=\"card\"><div class=\"scroll wide\">" + draw_r2(views) + draw_gaps(views) + "</div>" +
           render_legend({{"dash", "ceiling", "ceiling: the best that any function of x can do"},
                          {"dot", "chosen", "chosen function"},
                          {"dot", "best", "best closed form"},
                          {"ring", "b3", "tanh(a x)"}}) +
           "<p class=\"note\">Below, the same as distance from the ceiling, logarithmic: lower is better. "
           "What lies on the dashed "
           "line is at the ceiling within the error of its estimate.</p></div>\n";
  }
  return out + "<div class=\"card\">" + draw_table(input, views) + "</div></section>\n";
}

}  // namespace normgraft
