#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>

#include "html.h"
#include "sections.h"
#include "svg.h"

namespace normgraft {
namespace {

constexpr size_t kRows = 8;  ///< of a table, at most

/// What a choice of functions costs for one picture, or takes of a chip, and its KL as predicted and as
/// measured. A missing figure is NaN.
struct PricedLoss {
  double cost = 0;
  double predicted = 0;
  double measured = 0;

  bool drawable() const { return cost > 0 && (predicted > 0 || measured > 0); }
  double loss() const { return measured > 0 ? measured : predicted; }
};

PricedLoss priced_loss_from(const Json& json) {
  const auto figure = [&json](const std::string& key) { return number_at(json, key).value_or(std::nan("")); };
  return {figure("cost"), figure("predicted"), figure("measured")};
}

std::vector<PricedLoss> priced_losses_at(const Json& object, const std::string& key) {
  std::vector<PricedLoss> out;
  if (!object.is_object() || !object.contains(key) || !object[key].is_array()) return out;
  for (const Json& entry : object[key]) out.push_back(priced_loss_from(entry));
  return out;
}

/// A plan with a name and a sign of its own beside the curve.
struct MarkedPlan {
  std::string name;
  std::string css;
  PricedLoss loss;
};

std::vector<MarkedPlan> marked_in(const Json& choice) {
  std::vector<MarkedPlan> out;
  for (const auto& [key, name, css] :
       {std::tuple{"plan", "chosen", "chosen"}, std::tuple{"knee", "knee", "b5"},
        std::tuple{"min_error", "most accurate", "ceiling"}}) {
    if (!choice.contains(key)) continue;
    const PricedLoss found = priced_loss_from(choice[key]);
    if (found.drawable()) out.push_back({name, css, found});
  }
  return out;
}

/// Costs in the unit of the profile, or in millions of it where they are that large.
struct CostScale {
  double unit = 1;
  std::string name;

  std::string show(double cost) const {
    const double value = cost / unit;
    return value >= 1000 && value < 1e15 ? format_count(std::llround(value)) : format_short(value, 3);
  }
};

CostScale scale_of(const Json& choice, const std::vector<PricedLoss>& curve) {
  const std::string unit = text_at(choice, "unit");
  double dearest = 0;
  for (const PricedLoss& c : curve) {
    if (c.drawable()) dearest = std::max(dearest, c.cost);
  }
  if (dearest < 1e6) return {1, unit.empty() ? "cost" : unit};
  return {1e6, unit.empty() ? "millions" : "million " + unit};
}

/// Whether costs are the area of units on a chip; else they are those of a picture.
bool is_area(const Json& choice) {
  return text_at(choice, "cost_of") == "unit";
}

std::string show_loss(double loss) {
  return std::abs(loss) >= 0.001 && std::abs(loss) < 1e6 ? format_fixed(loss, 4) : format_short(loss, 3);
}

std::string describe(const PricedLoss& c, const CostScale& scale) {
  return fmt::format("{} {}: KL {} measured, {} predicted", scale.show(c.cost), scale.name,
                     show_loss(c.measured), show_loss(c.predicted));
}

std::optional<double> budget_of(const Json& choice) {
  const auto budget = number_at(choice, "budget");
  return budget && *budget > 0 ? budget : std::nullopt;
}

/// A logarithmic axis with some room around the values; those at or below zero are ignored.
Axis axis_over(const std::vector<double>& values, const std::string& label) {
  double low = 1e300, high = -1e300;
  for (const double v : values) {
    if (!(v > 0)) continue;
    low = std::min(low, std::log10(v));
    high = std::max(high, std::log10(v));
  }
  const double room = std::max(0.06 * (high - low), 0.02);
  return log_axis(low - room, high + room, label);
}

std::string draw_curve(const Json& choice, const std::vector<PricedLoss>& curve,
                       const std::vector<MarkedPlan>& marked, const CostScale& scale) {
  std::vector<double> costs, losses;
  const auto see = [&](const PricedLoss& c) {
    if (!c.drawable()) return;
    costs.push_back(c.cost / scale.unit);
    losses.insert(losses.end(), {c.predicted, c.measured});
  };
  for (const PricedLoss& c : curve) see(c);
  for (const MarkedPlan& m : marked) see(m.loss);
  const auto budget = budget_of(choice);
  if (budget) costs.push_back(*budget / scale.unit);

  const Axis x = axis_over(costs,
                           (is_area(choice) ? "area of all sites, " : "cost of a picture, ") + scale.name),
             y = axis_over(losses, "KL, nats");
  Chart chart(590, 330, x, y, "Loss against cost", {58, 12, 10, 38});
  const auto place = [&](double cost, double loss) {
    return PlotPoint{std::log10(cost / scale.unit), loss > 0 ? std::log10(loss) : std::nan("")};
  };
  if (budget) {
    const double at = std::log10(*budget / scale.unit);
    chart.line(std::vector<PlotPoint>{{at, y.low}, {at, y.high}}, "other dash medium");
  }
  std::vector<PlotPoint> predicted, measured;
  for (const PricedLoss& c : curve) {
    if (!c.drawable()) continue;
    predicted.push_back(place(c.cost, c.predicted));
    measured.push_back(place(c.cost, c.measured));
  }
  chart.line(predicted, "best dash");
  chart.line(measured, "mapping medium");
  for (const PlotPoint& p : predicted) chart.circle(p, 2.6, "ring best");
  for (const PricedLoss& c : curve) {
    if (c.drawable()) chart.circle(place(c.cost, c.measured), 3.2, "dot mapping", describe(c, scale));
  }
  for (const auto& [name, css, c] : marked) {
    chart.circle(place(c.cost, c.loss()), css == "chosen" ? 6 : 5, (css == "chosen" ? "dot " : "ring ") + css,
                 name + ", " + describe(c, scale));
  }
  for (const auto& [name, css, c] : marked) chart.label(place(c.cost, c.loss()), name, css + " strong");
  if (budget)
    chart.label({std::log10(*budget / scale.unit), y.high - 0.03 * (y.high - y.low)}, "budget", "other");
  return chart.str() + render_legend({{"dot", "mapping", "measured"}, {"ring", "best", "predicted"}});
}

/// How well the prediction ranks, and what was asked for.
std::string verdict(const Json& choice, const std::vector<PricedLoss>& curve, const CostScale& scale) {
  std::string out;
  if (const auto rank = number_at(choice, "rank_correlation")) {
    const auto pictures = number_at(choice, "pictures");
    out += fmt::format("Over {} plans, predicted and measured loss have a rank correlation of <b>{}</b>{}. ",
                       curve.size(), format_fixed(*rank, 3),
                       pictures ? fmt::format(", measured on {} pictures", format_short(*pictures, 9)) : "");
  }
  if (const auto budget = budget_of(choice)) {
    out += fmt::format("The budget is <b>{} {}</b> {}.", scale.show(*budget), escape_html(scale.name),
                       is_area(choice) ? "for all sites" : "a picture");
  }
  return out.empty() ? out : "<p>" + out + "</p>\n";
}

std::string figure_cells(const PricedLoss& c, const CostScale& scale) {
  return fmt::format("<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>",
                     scale.show(c.cost), show_loss(c.predicted), show_loss(c.measured));
}

std::string table(const std::string& caption, const std::string& titles, const std::string& rows) {
  if (rows.empty()) return {};
  return fmt::format(
      "<figure><figcaption>{}</figcaption><div class=\"scroll\"><table><thead><tr>{}</tr></thead><tbody>\n"
      "{}</tbody></table></div></figure>\n",
      caption, titles, rows);
}

std::string cost_titles(const std::string& first, const CostScale& scale) {
  return fmt::format(
      "<th>{}</th><th class=\"n\">Cost, {}</th><th class=\"n\">KL predicted</th><th class=\"n\">KL "
      "measured</th>",
      first, escape_html(scale.name));
}

std::string draw_plans(const std::vector<MarkedPlan>& marked, const CostScale& scale) {
  std::string rows;
  for (const auto& [name, css, c] : marked) {
    rows += fmt::format("<tr{}><td>{}</td>{}</tr>\n", css == "chosen" ? " class=\"pick\"" : "", name,
                        figure_cells(c, scale));
  }
  return table("The plans marked", cost_titles("Plan", scale), rows);
}

/// The sites that lose most, each with its most accurate function.
std::string draw_sites(const Json& choice) {
  std::vector<std::pair<std::string, PricedLoss>> sites;
  if (!choice.contains("sites") || !choice["sites"].is_array()) return {};
  for (const Json& site : choice["sites"]) {
    std::optional<PricedLoss> best;
    for (const PricedLoss& c : priced_losses_at(site, "points")) {
      if (std::isfinite(c.measured) && (!best || c.measured < best->measured)) best = c;
    }
    if (best && !text_at(site, "name").empty()) sites.emplace_back(text_at(site, "name"), *best);
  }
  std::stable_sort(sites.begin(), sites.end(),
                   [](const auto& a, const auto& b) { return a.second.measured > b.second.measured; });
  if (sites.size() > kRows) sites.resize(kRows);
  std::vector<PricedLoss> costs;
  for (const auto& [name, c] : sites) costs.push_back(c);
  const CostScale scale = scale_of(choice, costs);
  std::string rows;
  for (const auto& [name, c] : sites) {
    rows += fmt::format("<tr><td class=\"site\">{}</td>{}</tr>\n", escape_html(name), figure_cells(c, scale));
  }
  return table("The most sensitive sites: each replaced alone, by its most accurate function",
               cost_titles("Site", scale), rows);
}

/// What the loss would be with LayerNorm back at one site after another.
std::string draw_kept(const Json& choice, const std::vector<MarkedPlan>& marked) {
  if (!choice.contains("keep") || !choice["keep"].is_array()) return {};
  std::string rows;
  size_t kept = 0;
  for (const Json& entry : choice["keep"]) {
    const std::string site = text_at(entry, "site");
    const auto measured = number_at(entry, "measured");
    if (site.empty() || !measured || kept == kRows) continue;
    rows +=
        fmt::format("<tr><td class=\"n\">{}</td><td class=\"site\">{}{}</td><td class=\"n\">{}</td></tr>\n",
                    kept + 1, kept > 0 ? "and " : "", escape_html(site), show_loss(*measured));
    ++kept;
  }
  if (rows.empty()) return {};
  if (!marked.empty() && marked.front().css == "chosen" && std::isfinite(marked.front().loss.measured)) {
    rows =
        fmt::format("<tr><td class=\"n\">0</td><td>none: the chosen plan</td><td class=\"n\">{}</td></tr>\n",
                    show_loss(marked.front().loss.measured)) +
        rows;
  }
  return table("What keeping LayerNorm would buy",
               "<th class=\"n\">Kept</th><th>LayerNorm kept at</th><th class=\"n\">KL measured</th>", rows);
}

}  // namespace

std::string render_choice(const Json& choice) {
  const std::vector<PricedLoss> curve = priced_losses_at(choice, "curve");
  if (std::none_of(curve.begin(), curve.end(), [](const PricedLoss& c) { return c.drawable(); })) return {};
  const std::vector<MarkedPlan> marked = marked_in(choice);
  const CostScale scale = scale_of(choice, curve);
  return "<section id=\"choice\"><h2>Choice</h2>\n" + verdict(choice, curve, scale) +
         "<div class=\"card\"><div class=\"panels\">\n<div class=\"stack\"><figure><figcaption>Loss against "
         "cost, both "
         "logarithmic</figcaption>" +
         draw_curve(choice, curve, marked, scale) + "</figure>\n" + draw_plans(marked, scale) +
         "</div>\n<div class=\"stack\">" + draw_sites(choice) + draw_kept(choice, marked) +
         "</div>\n</div></div></section>\n";
}

}  // namespace normgraft
