#include <fmt/format.h>

#include <algorithm>

#include "html.h"
#include "stages.h"

namespace normgraft {
namespace {

struct Condition {
  std::string key;  ///< in "under"; empty for pictures as captured
  std::string title;
};

const Condition kConditions[] = {{"", "as captured"}, {"contrast", "halved contrast"}, {"blur", "blur"}};

/// The figures of a stage under a condition; null where it was not judged so.
Json under(const Json& stage, const std::string& condition) {
  if (condition.empty()) return stage;
  const auto found = stage.find("under");
  return found != stage.end() && found->is_object() ? found->value(condition, Json()) : Json();
}

bool judged_under(const std::vector<Json>& stages, const std::string& condition, const std::string& figure) {
  return std::any_of(stages.begin(), stages.end(), [&](const Json& stage) {
    return stage_value(under(stage, condition), figure).has_value();
  });
}

}  // namespace

std::string draw_robustness(const std::vector<Json>& stages) {
  std::string groups, titles;
  std::vector<std::pair<StageFigure, std::string>> columns;
  for (const StageFigure& figure : drawn_figures()) {
    if (!judged_under(stages, "contrast", figure.key) && !judged_under(stages, "blur", figure.key)) continue;
    size_t span = 0;
    for (const Condition& condition : kConditions) {
      if (!judged_under(stages, condition.key, figure.key)) continue;
      columns.emplace_back(figure, condition.key);
      titles += fmt::format("<th class=\"n\">{}</th>", condition.title);
      ++span;
    }
    groups += fmt::format("<th class=\"n\" colspan=\"{}\">{}</th>", span, figure.title);
  }
  if (columns.empty()) return {};

  std::string out = fmt::format(
      "<div class=\"scroll\"><table class=\"robustness\"><thead><tr><th></th>{}</tr>\n"
      "<tr><th>Stage</th>{}</tr></thead><tbody>\n",
      groups, titles);
  for (const Json& stage : stages) {
    const bool judged = std::any_of(columns.begin(), columns.end(), [&](const auto& column) {
      return !column.second.empty() && stage_value(under(stage, column.second), column.first.key);
    });
    if (!judged) continue;
    out += fmt::format("<tr><td class=\"stage\">{}</td>", escape_html(text_at(stage, "stage")));
    for (const auto& [figure, condition] : columns) {
      const auto m = stage_value(under(stage, condition), figure.key);
      out += fmt::format("<td class=\"n\">{}</td>", m ? shown(m->value, figure) : "");
    }
    out += "</tr>\n";
  }
  return out +
         "</tbody></table></div>\n<p class=\"note\">Teacher and model see the same changed pictures: with "
         "half the "
         "contrast, or blurred by a Gaussian of 2 pixels at a height of 224. LayerNorm takes away the scale "
         "of its "
         "input, which both change; a scalar function does not.</p>\n";
}

}  // namespace normgraft
