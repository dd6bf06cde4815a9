#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "html.h"
#include "sections.h"
#include "site_drawing.h"

namespace normgraft {
namespace {

constexpr double kTail = 0.001;  ///< weight left out on each side of the close-up

std::string figure(const std::string& caption, const std::string& drawing) {
  if (drawing.empty()) return {};
  return fmt::format("<figure><figcaption>{}</figcaption>{}</figure>\n", caption, drawing);
}

std::string heading(const SiteView& view, bool weighted) {
  const SiteMapping& m = *view.mapping;
  std::string out = fmt::format("<div class=\"head\"><h3>{}</h3>", escape_html(m.name));
  const auto fact = [&out](const std::string& name, double r2) {
    if (std::isfinite(r2))
      out += fmt::format("<span><span class=\"soft\">{}</span> {}</span>", name, format_fixed(r2, 5));
  };
  fact("ceiling", view.ceiling());
  fact("R² chosen", view.chosen_r2());
  if (view.best != nullptr)
    fact("R² best closed form (" + escape_html(view.best->name) + ")", view.best_r2());
  if (weighted) {
    fact("of plain pairs: ceiling", view.plain_ceiling());
    fact("R² chosen", view.chosen_plain_r2());
    if (view.front != nullptr) {
      out += fmt::format("<span class=\"soft\">{} effective pairs to fit on</span>",
                         format_count(static_cast<int64_t>(view.front->effective_pairs)));
    }
  }
  return out + fmt::format("<span class=\"soft\">{} pairs, x in [{}, {}]</span></div>\n",
                           format_count(m.pictures * m.pairs()), format_short(m.range().low),
                           format_short(m.range().high));
}

std::string table_row(const std::string& name, const FrontPoint& p, bool chosen) {
  return fmt::format(
      "<tr{}><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>"
      "<td><code>{}</code></td></tr>\n",
      chosen ? " class=\"pick\"" : "", escape_html(name), format_short(p.cost), format_fixed(p.r2, 5),
      format_fixed(p.held_out_r2, 5), escape_html(p.expression.to_string()));
}

/// Every closed form and every point of the front, folded away.
std::string all_functions(const SiteView& view, const std::string& unit) {
  if (view.front == nullptr) return {};
  std::string out = fmt::format(
      "<details><summary>{} closed forms and {} functions of the front, with figures</summary><div "
      "class=\"scroll\"><table>"
      "<thead><tr><th>Function</th><th class=\"n\">Cost, {}</th><th class=\"n\">R², fitted</th><th "
      "class=\"n\">R², held "
      "out</th><th>Expression</th></tr></thead><tbody>\n",
      view.front->baselines.size(), view.front->front.size(), escape_html(unit));
  for (const BaselinePoint& b : view.front->baselines) out += table_row(b.name, b.point, false);
  for (const FrontPoint& p : view.front->front) {
    const bool chosen = view.chosen && p.expression == view.chosen->expression;
    out += table_row(chosen ? "chosen" : fmt::format("evolved, seed {}", p.seed + 1), p, chosen);
  }
  return out + "</tbody></table></div></details>\n";
}

}  // namespace

std::string render_site(const ReportInput& input, const SiteView& view) {
  const Measure measure = input.fronts.options.measure;
  const bool weighted = input.mappings.weighted && measure == Measure::kWeight;
  std::string out =
      fmt::format("<section class=\"card\" id=\"{}\">\n", view.anchor()) + heading(view, weighted);
  if (view.chosen) {
    out += fmt::format("<code class=\"expression\">{}</code>\n",
                       escape_html(view.chosen->expression.to_string()));
    out += fmt::format("<p class=\"note\">{} {}. {}</p>\n", format_short(view.chosen->cost),
                       escape_html(input.fronts.unit), escape_html(view.chosen->reason));
    out += render_site_area(view);
  }
  const Interval centre = central_range(*view.mapping, measure, kTail);
  out += "<div class=\"panels\">\n";
  out += figure("Mapping, all of x seen", draw_mapping(view, measure, view.mapping->range()));
  out += figure("Distance from the ceiling against cost", draw_front(view, input.fronts.unit));
  out += figure("Mapping, central 99.8 % of x", draw_mapping(view, measure, centre));
  out += figure("Deviation from the conditional mean, central 99.8 % of x",
                draw_residuals(view, measure, centre));
  out += "</div>\n" + render_legend(mapping_legend(view));
  return out + all_functions(view, input.fronts.unit) + "</section>\n";
}

}  // namespace normgraft
