#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "html.h"
#include "sections.h"

namespace normgraft {
namespace {

/// A figure of one stage that is drawn as a column of bars.
struct Measured {
  double value = 0;
  std::optional<std::pair<double, double>> interval;
};

struct Column {
  std::string key;
  std::string title;
  bool percent;
  int digits;
};

const Column kColumns[] = {
    {"top1", "Top-1, %", true, 1},
    {"agreement", "Agreement with the teacher, %", true, 1},
    {"kl", "KL(teacher ‖ model), nats", false, 3},
};

std::optional<Measured> measured(const Json& entry, const std::string& key) {
  const auto value = number_at(entry, key);
  if (!value) return std::nullopt;
  Measured out{*value, std::nullopt};
  const auto found = entry.find(key + "_interval");
  if (found != entry.end() && found->is_array() && found->size() == 2 && (*found)[0].is_number() &&
      (*found)[1].is_number()) {
    const double low = (*found)[0], high = (*found)[1];
    if (std::isfinite(low) && std::isfinite(high) && low <= high) out.interval = {low, high};
  }
  return out;
}

std::string shown(double value, const Column& column) {
  return column.percent ? format_percent(value, column.digits) : format_fixed(value, column.digits);
}

std::vector<Json> judged_stages(const Json& accuracy) {
  std::vector<Json> stages;
  if (!accuracy.is_array()) return stages;
  std::copy_if(accuracy.begin(), accuracy.end(), std::back_inserter(stages),
               [](const Json& entry) { return entry.is_object() && !text_at(entry, "stage").empty(); });
  return stages;
}

bool any_has(const std::vector<Json>& stages, const std::string& key) {
  return std::any_of(stages.begin(), stages.end(),
                     [&](const Json& entry) { return number_at(entry, key).has_value(); });
}

std::string tint(const std::string& stage) {
  return stage == "teacher" ? "best" : "chosen";
}

/// One bar with its whisker and number. `scale` is pixels a unit.
std::string draw_bar(const Measured& m, const Column& column, const std::string& css, double left,
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
                           shown(m.value, column));
}

/// Bars of every stage below one another, a column for each figure.
std::string draw_bars(const std::vector<Json>& stages) {
  std::vector<Column> columns;
  for (const Column& column : kColumns) {
    if (any_has(stages, column.key)) columns.push_back(column);
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
    const Column& column = columns[c];
    const double start = left + pitch * static_cast<double>(c);
    double largest = column.percent ? 1.0 : 0.0;
    for (const Json& entry : stages) {
      if (const auto m = measured(entry, column.key)) {
        largest = std::max({largest, m->value, m->interval ? m->interval->second : 0.0});
      }
    }
    const double scale = largest > 0 ? room / largest : 0;
    out += fmt::format("<text class=\"title\" x=\"{:.1f}\" y=\"13\">{}</text>\n", start, column.title);
    out += fmt::format("<line class=\"axisline\" x1=\"{0:.1f}\" y1=\"{1}\" x2=\"{0:.1f}\" y2=\"{2}\"/>\n",
                       start, head - 4, height);
    for (size_t r = 0; r < stages.size(); ++r) {
      const auto m = measured(stages[r], column.key);
      if (!m) continue;
      out += draw_bar(*m, column, tint(text_at(stages[r], "stage")), start,
                      head + row * (static_cast<double>(r) + 0.5), scale);
    }
  }
  return out + "</svg>\n";
}

std::string table_cell(const Json& entry, const Column& column) {
  const auto m = measured(entry, column.key);
  if (!m) return "<td class=\"n\"></td>";
  std::string interval;
  if (m->interval) {
    interval = fmt::format(" <small>[{}, {}]</small>", shown(m->interval->first, column),
                           shown(m->interval->second, column));
  }
  return fmt::format("<td class=\"n\">{}{}</td>", shown(m->value, column), interval);
}

std::string draw_table(const std::vector<Json>& stages) {
  std::vector<Column> columns;
  for (const Column& column :
       {Column{"top1", "Top-1, %", true, 2}, Column{"top5", "Top-5, %", true, 2},
        Column{"agreement", "Agreement, %", true, 2}, Column{"kl", "KL, nats", false, 4},
        Column{"images", "Pictures", false, 0}, Column{"images_per_second", "Pictures/s", false, 1}}) {
    if (any_has(stages, column.key)) columns.push_back(column);
  }
  std::set<std::string> data;
  for (const Json& entry : stages) data.insert(text_at(entry, "data"));
  const bool one_set = data.size() == 1;

  std::string out = "<div class=\"scroll\"><table><thead><tr><th>Stage</th>";
  for (const Column& column : columns) out += fmt::format("<th class=\"n\">{}</th>", column.title);
  out += one_set ? "</tr></thead><tbody>\n" : "<th>Judged on</th></tr></thead><tbody>\n";
  for (const Json& entry : stages) {
    out += fmt::format("<tr><td class=\"stage\">{}</td>", escape_html(text_at(entry, "stage")));
    for (const Column& column : columns) out += table_cell(entry, column);
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
  return fmt::format(
      "<section id=\"accuracy\"><h2>Won and lost</h2>\n<div class=\"card scroll wide\">{}</div>\n<div "
      "class=\"card\">{}"
      "<p class=\"note\">Whiskers and brackets: 95 % bootstrap intervals over pictures. Agreement is the "
      "share of pictures "
      "on which the model and its teacher name the same class; KL is the mean over pictures, at temperature "
      "1.</p>"
      "</div></section>\n",
      draw_bars(stages), draw_table(stages));
}

}  // namespace normgraft
