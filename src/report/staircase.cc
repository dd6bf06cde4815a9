#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "html.h"
#include "stages.h"
#include "svg.h"

namespace normgraft {
namespace {

constexpr double kStaircaseWidth = 392, kPlot = 216;
constexpr double kTickLetterWidth = 5.3;  ///< of a tick's label, in pixels
constexpr Margins kMargins{34, 6, 10, 36};

/// A stage after the teacher and what was spent on it alone.
struct Step {
  const Json* stage;
  std::string name;
  std::string seconds;  ///< empty where they are not known
};

/// In the one unit that fits: "8.4 s", "3.1 min", "2.1 h".
std::string in_one_unit(double seconds) {
  if (seconds < 99.95) return format_fixed(seconds, 1) + " s";
  return seconds < 5997 ? format_fixed(seconds / 60, 1) + " min" : format_fixed(seconds / 3600, 1) + " h";
}

/// The difference of two times from the checkpoint; empty where one is missing or they run backwards.
std::string seconds_between(std::optional<double> before, std::optional<double> after) {
  if (!before || !after || *after < *before) return {};
  return in_one_unit(*after - *before);
}

std::vector<Step> steps_of(const std::vector<Json>& stages) {
  std::vector<Step> steps;
  std::optional<double> spent = 0.0;
  for (const Json& stage : stages) {
    if (is_teacher(stage)) continue;
    const auto now = number_at(stage, "seconds");
    steps.push_back({&stage, text_at(stage, "stage"), seconds_between(spent, now)});
    spent = now;
  }
  return steps;
}

Axis step_axis(const std::vector<Step>& steps) {
  const double count = static_cast<double>(steps.size());
  Axis axis{-0.5, count - 0.5, "", {}, false};
  size_t longest = 0;
  for (const Step& step : steps) longest = std::max({longest, step.name.size(), step.seconds.size()});
  axis.slanted = kTickLetterWidth * static_cast<double>(longest) >
                 (kStaircaseWidth - kMargins.left - kMargins.right) / count;
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto& [stage, name, seconds] = steps[i];
    const double at = static_cast<double>(i);
    if (axis.slanted) {
      axis.ticks.push_back({at, seconds.empty() ? name : name + ", " + seconds});
    } else {
      axis.ticks.push_back({at, name, seconds});
    }
  }
  return axis;
}

/// With room for the longest label where they are slanted.
Margins margins_of(const Axis& axis) {
  Margins margins = kMargins;
  if (!axis.slanted) return margins;
  size_t longest = 0;
  for (const Tick& tick : axis.ticks) longest = std::max(longest, tick.label.size());
  margins.bottom = std::min(22 + 0.77 * kTickLetterWidth * static_cast<double>(longest), 180.0);
  return margins;
}

/// From zero where the figure is a distance, otherwise over the values that occur, with room for labels
/// above.
Axis value_axis(const std::vector<double>& values, const StageFigure& figure) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const bool share = figure.unit == StageUnit::kShare;
  const double low = share ? *least : std::min(*least, 0.0);
  const double spread = std::max(*most - low, share ? 1.0 : 1e-3);
  return linear_axis(share ? low - 0.1 * spread : low, *most + 0.14 * spread, "", 5);
}

/// One figure over the steps, its intervals shaded; for top-1 with the teacher as a dashed line.
std::string draw_panel(const std::vector<Json>& stages, const std::vector<Step>& steps,
                       const StageFigure& figure) {
  const double scale = figure.unit == StageUnit::kShare ? 100 : 1;
  std::vector<double> values;
  for (const Step& step : steps) {
    const auto m = stage_value(*step.stage, figure.key);
    if (!m) continue;
    values.push_back(scale * m->value);
    if (m->interval) values.insert(values.end(), {scale * m->interval->first, scale * m->interval->second});
  }
  if (values.empty()) return {};

  std::optional<double> reference;
  const auto teacher = std::find_if(stages.begin(), stages.end(), is_teacher);
  if (figure.key == "top1" && teacher != stages.end()) {
    if (const auto m = stage_value(*teacher, figure.key)) values.push_back(*(reference = scale * m->value));
  }
  const Axis x = step_axis(steps);
  const Margins margins = margins_of(x);
  Chart chart(kStaircaseWidth, kPlot + margins.top + margins.bottom, x, value_axis(values, figure),
              figure.title + " after each stage", margins);
  if (reference) chart.rule(*reference, "best dash medium");

  std::vector<PlotPoint> stairs;
  for (size_t i = 0; i < steps.size(); ++i) {
    const double at = static_cast<double>(i), left = at - 0.5, right = at + 0.5;
    const auto m = stage_value(*steps[i].stage, figure.key);
    const double y = m ? scale * m->value : std::nan("");
    stairs.push_back({left, y});
    stairs.push_back({right, y});
    if (!m) continue;
    double top = y;
    if (m->interval) {
      const double low = scale * m->interval->first, high = scale * m->interval->second;
      chart.band(std::vector<PlotPoint>{{left, low}, {right, low}},
                 std::vector<PlotPoint>{{left, high}, {right, high}}, "chosen interval");
      top = std::max(y, high);
    }
    chart.caption({at, top}, shown(m->value, figure), "value");
  }
  chart.line(stairs, "chosen medium");
  const std::string dashed =
      reference ? fmt::format("; dashed: the teacher, {}", format_fixed(*reference, figure.digits)) : "";
  return fmt::format("<figure><figcaption>{}{}</figcaption>{}</figure>\n", figure.title, dashed, chart.str());
}

}  // namespace

std::string draw_staircase(const std::vector<Json>& stages) {
  const std::vector<Step> steps = steps_of(stages);
  const auto judged = std::count_if(steps.begin(), steps.end(), [](const Step& step) {
    return stage_value(*step.stage, "kl").has_value();
  });
  if (judged < 2) return {};
  std::string out = "<div class=\"panels three\">\n";
  for (const StageFigure& figure : drawn_figures()) out += draw_panel(stages, steps, figure);
  return out + "</div>\n";
}

}  // namespace normgraft
