#include <fmt/format.h>

#include <algorithm>

#include "html.h"
#include "stages.h"

namespace normgraft {
namespace {

struct Condition {
  std::string key;  ///< within the group; empty for what is judged without any
  std::string title;
};

/// What stages were judged under beside the plain pictures in F32.
struct Group {
  std::string key;  ///< in accuracy.json
  std::vector<Condition> conditions;
  std::string note;
};

const Group kPictures = {
    "under",
    {{"", "as captured"}, {"contrast", "halved contrast"}, {"blur", "blur"}},
    "Teacher and model see the same changed pictures: with half the contrast, or blurred by a Gaussian of 2 "
    "pixels at a height of 224. LayerNorm takes away the scale of its input, which both change; a scalar "
    "function does not."};

/// The numbers of a stage under a condition; null where it was not judged so.
Json under(const Json& stage, const Group& group, const std::string& condition) {
  if (condition.empty()) return stage;
  const auto found = stage.find(group.key);
  return found != stage.end() && found->is_object() ? found->value(condition, Json()) : Json();
}

bool judged_under(const std::vector<Json>& stages, const Group& group, const std::string& condition,
                  const std::string& figure) {
  return std::any_of(stages.begin(), stages.end(), [&](const Json& stage) {
    return stage_value(under(stage, group, condition), figure).has_value();
  });
}

std::string draw_group(const std::vector<Json>& stages, const Group& group) {
  std::string groups, titles;
  std::vector<std::pair<StageFigure, std::string>> columns;
  for (const StageFigure& figure : drawn_figures()) {
    const bool judged = std::any_of(
        group.conditions.begin(), group.conditions.end(),
        [&](const Condition& c) { return !c.key.empty() && judged_under(stages, group, c.key, figure.key); });
    if (!judged) continue;
    size_t span = 0;
    for (const Condition& condition : group.conditions) {
      if (!judged_under(stages, group, condition.key, figure.key)) continue;
      columns.emplace_back(figure, condition.key);
      titles += fmt::format("<th class=\"n\">{}</th>", escape_html(condition.title));
      ++span;
    }
    groups += fmt::format("<th class=\"n\" colspan=\"{}\">{}</th>", span, figure.title);
  }
  if (columns.empty()) return {};

  std::string out = fmt::format(
      "<div class=\"scroll\"><table class=\"conditions\"><thead><tr><th></th>{}</tr>\n"
      "<tr><th>Stage</th>{}</tr></thead><tbody>\n",
      groups, titles);
  for (const Json& stage : stages) {
    const bool judged = std::any_of(columns.begin(), columns.end(), [&](const auto& column) {
      return !column.second.empty() && stage_value(under(stage, group, column.second), column.first.key);
    });
    if (!judged) continue;
    out += fmt::format("<tr><td class=\"stage\">{}</td>", escape_html(text_at(stage, "stage")));
    for (const auto& [figure, condition] : columns) {
      const auto m = stage_value(under(stage, group, condition), figure.key);
      out += fmt::format("<td class=\"n\">{}</td>", m ? shown(m->value, figure) : "");
    }
    out += "</tr>\n";
  }
  return out + fmt::format("</tbody></table></div>\n<p class=\"note\">{}</p>\n", group.note);
}

}  // namespace

std::string draw_robustness(const std::vector<Json>& stages) {
  return draw_group(stages, kPictures);
}

std::string draw_arithmetic(const std::vector<Json>& stages) {
  Group group{"arithmetic", {{"", "float32"}}, {}};
  for (const Json& stage : stages) {
    const auto found = stage.find(group.key);
    if (found == stage.end() || !found->is_object()) continue;
    for (const auto& [name, judged] : found->items()) {
      const bool known = std::any_of(group.conditions.begin(), group.conditions.end(),
                                     [&name = name](const Condition& c) { return c.key == name; });
      if (!known) group.conditions.push_back({name, name});
    }
  }
  group.note =
      "The model computes in these numbers, the teacher that it is compared with in float32. Integers are "
      "imitated: weights of 8 bits with a step for each output channel, what enters a Linear with one step "
      "for "
      "all, chosen by calibration pictures.";
  return draw_group(stages, group);
}

}  // namespace normgraft
