#include "stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "html.h"

namespace normgraft {
namespace {

constexpr double kLargest = 1e12;  ///< of a figure that can be drawn

}  // namespace

const std::vector<StageFigure>& drawn_figures() {
  static const std::vector<StageFigure> kFigures = {
      {"top1", "Top-1, %", StageUnit::kShare, 1},
      {"agreement", "Agreement with the teacher, %", StageUnit::kShare, 1},
      {"kl", "KL(teacher ‖ model), nats", StageUnit::kPlain, 3},
  };
  return kFigures;
}

std::optional<StageValue> stage_value(const Json& judged, const std::string& key) {
  const auto drawable = [](double v) { return std::isfinite(v) && std::abs(v) <= kLargest; };
  const auto value = number_at(judged, key);
  if (!value || !drawable(*value)) return std::nullopt;
  StageValue out{*value, std::nullopt};
  const auto found = judged.find(key + "_interval");
  if (found != judged.end() && found->is_array() && found->size() == 2 && (*found)[0].is_number() &&
      (*found)[1].is_number()) {
    const double low = (*found)[0], high = (*found)[1];
    if (drawable(low) && drawable(high) && low <= high) out.interval = {low, high};
  }
  return out;
}

std::string shown(double value, const StageFigure& figure) {
  switch (figure.unit) {
    case StageUnit::kShare:
      return format_percent(value, figure.digits);
    case StageUnit::kSeconds:
      return format_seconds(value);
    case StageUnit::kPlain:
      break;
  }
  return format_fixed(value, figure.digits);
}

std::string figure_cell(const Json& judged, const StageFigure& figure) {
  const auto m = stage_value(judged, figure.key);
  if (!m) return "<td class=\"n\"></td>";
  std::string interval;
  if (m->interval) {
    interval = fmt::format(" <small>[{}, {}]</small>", shown(m->interval->first, figure),
                           shown(m->interval->second, figure));
  }
  return fmt::format("<td class=\"n\">{}{}</td>", shown(m->value, figure), interval);
}

std::vector<Json> judged_stages(const Json& accuracy) {
  std::vector<Json> stages;
  if (!accuracy.is_array()) return stages;
  std::copy_if(accuracy.begin(), accuracy.end(), std::back_inserter(stages),
               [](const Json& entry) { return entry.is_object() && !text_at(entry, "stage").empty(); });
  return stages;
}

bool is_teacher(const Json& stage) {
  return text_at(stage, "stage") == "teacher";
}

bool any_has(const std::vector<Json>& stages, const std::string& key) {
  return std::any_of(stages.begin(), stages.end(),
                     [&](const Json& entry) { return number_at(entry, key).has_value(); });
}

}  // namespace normgraft
