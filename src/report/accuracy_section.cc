#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "html.h"
#include "sections.h"
#include "stages.h"

namespace normgraft {
namespace {

std::string tint(const Json& stage) {
  return is_teacher(stage) ? "best" : "chosen";
}

/// One bar with its whisker and number. `scale` is pixels a unit.
std::string draw_bar(const StageValue& m, const StageFigure& figure, const std::string& css, double left,
                     double middle, double scale) {
  const double width = std::max(scale * m.value, 0.0);
  std::string out = fmt::format(
      "<rect class=\"area bar {}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"18\" rx=\"2\"/>\n",
      css, left, middle - 9, width);
  double end = left + width;
  if (m.interval) {
    const double low = left + scale * m.interval->first, high = left + scale * m.interval->second;
    out += fmt::format(
        "<path class=\"whisker\" d=\"M{0:.1f} {2:.1f}v8M{0:.1f} {3:.1f}H{1:.1f}M{1:.1f} {2:.1f}v8\"/>\n", low,
        high, middle - 4, middle);
    end = std::max(end, high);
  }
  return out + fmt::format("<text class=\"value\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", end + 6, middle + 4,
                           shown(m.value, figure));
}

/// Bars of every stage below one another, a column for each figure.
std::string draw_bars(const std::vector<Json>& stages) {
  std::vector<StageFigure> columns;
  for (const StageFigure& figure : drawn_figures()) {
    if (any_has(stages, figure.key)) columns.push_back(figure);
  }
  if (columns.empty()) return {};

  size_t longest = 0;
  for (const Json& entry : stages) longest = std::max(longest, text_at(entry, "stage").size());
  const double width = 1180, row = 28, head = 26;
  const double left = std::min(34.0 + 6.8 * static_cast<double>(longest), 300.0);
  const double pitch = (width - left) / static_cast<double>(columns.size());
  const double room = pitch - 78;
  const double height = head + row * static_cast<double>(stages.size()) + 6;

  std::string out = fmt::format(
      "<svg class=\"chart\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" "
      "aria-label=\"Accuracy of each stage\">\n",
      width, height);
  for (size_t r = 0; r < stages.size(); ++r) {
    out += fmt::format("<text class=\"stage\" x=\"0\" y=\"{:.1f}\">{}</text>\n",
                       head + row * (static_cast<double>(r) + 0.5) + 4,
                       escape_html(text_at(stages[r], "stage")));
  }
  for (size_t c = 0; c < columns.size(); ++c) {
    const StageFigure& figure = columns[c];
    const double start = left + pitch * static_cast<double>(c);
    double largest = figure.unit == StageUnit::kShare ? 1.0 : 0.0;
    for (const Json& entry : stages) {
      if (const auto m = stage_value(entry, figure.key)) {
        largest = std::max({largest, m->value, m->interval ? m->interval->second : 0.0});
      }
    }
    const double scale = largest > 0 ? room / largest : 0;
    out += fmt::format("<text class=\"title\" x=\"{:.1f}\" y=\"13\">{}</text>\n", start, figure.title);
    out += fmt::format("<line class=\"axisline\" x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\"/>\n",
                       start, head - 4, height);
    for (size_t r = 0; r < stages.size(); ++r) {
      const auto m = stage_value(stages[r], figure.key);
      if (!m) continue;
      out += draw_bar(*m, figure, tint(stages[r]), start, head + row * (static_cast<double>(r) + 0.5), scale);
    }
  }
  return out + "</svg>\n";
}

std::string draw_table(const std::vector<Json>& stages) {
  std::vector<StageFigure> columns;
  for (const StageFigure& figure :
       {StageFigure{"top1", "Top-1, %", StageUnit::kShare, 2},
        StageFigure{"top5", "Top-5, %", StageUnit::kShare, 2},
        StageFigure{"agreement", "Agreement, %", StageUnit::kShare, 2},
        StageFigure{"kl", "KL, nats", StageUnit::kPlain, 4},
        StageFigure{"seconds", "Time from the checkpoint", StageUnit::kSeconds, 0},
        StageFigure{"images", "Pictures", StageUnit::kPlain, 0},
        StageFigure{"images_per_second", "Pictures/s", StageUnit::kPlain, 1}}) {
    if (any_has(stages, figure.key)) columns.push_back(figure);
  }
  std::set<std::string> data;
  for (const Json& entry : stages) data.insert(text_at(entry, "data"));
  const bool one_set = data.size() == 1;

  std::string out = "<div class=\"scroll\"><table><thead><tr><th>Stage</th>";
  for (const StageFigure& figure : columns) out += fmt::format("<th class=\"n\">{}</th>", figure.title);
  out += one_set ? "</tr></thead><tbody>\n" : "<th>Judged on</th></tr></thead><tbody>\n";
  for (const Json& entry : stages) {
    out += fmt::format("<tr><td class=\"stage\">{}</td>", escape_html(text_at(entry, "stage")));
    for (const StageFigure& figure : columns) out += figure_cell(entry, figure);
    if (!one_set) out += fmt::format("<td><code>{}</code></td>", escape_html(text_at(entry, "data")));
    out += "</tr>\n";
  }
  out += "</tbody></table></div>\n";
  if (one_set && !data.begin()->empty()) {
    out += fmt::format("<p class=\"note\">Judged on <code>{}</code>.</p>\n", escape_html(*data.begin()));
  }
  return out;
}

}  // namespace

std::string render_accuracy(const Json& accuracy) {
  const std::vector<Json> stages = judged_stages(accuracy);
  if (stages.empty()) return {};
  std::string drawing = draw_staircase(stages), note;
  if (!drawing.empty()) {
    drawing = "<div class=\"card\">" + drawing + "</div>\n";
    note =
        "Shaded bands and brackets: 95 % bootstrap intervals over pictures. Below the name of a stage stands "
        "the "
        "time spent on it alone.";
  } else {
    drawing = "<div class=\"card scroll wide\">" + draw_bars(stages) + "</div>\n";
    note = "Whiskers and brackets: 95 % bootstrap intervals over pictures.";
  }
  std::string tables;
  for (const std::string& table : {draw_arithmetic(stages), draw_robustness(stages)}) {
    if (!table.empty()) tables += "<div class=\"card\">" + table + "</div>\n";
  }
  return fmt::format(
      "<section id=\"accuracy\"><h2>Won and lost</h2>\n{}<div class=\"card\">{}"
      "<p class=\"note\">{} Agreement is the share of pictures on which the model and its teacher name the "
      "same "
      "class; KL is the mean over pictures, at temperature 1.</p></div>\n{}</section>\n",
      drawing, draw_table(stages), note, tables);
}

}  // namespace normgraft
