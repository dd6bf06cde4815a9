#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "normgraft/core/files.h"

namespace normgraft {

enum class StageUnit { kShare, kPlain, kSeconds };

/// A figure of a judged model: its key in accuracy.json and how it is written.
struct StageFigure {
  std::string key;
  std::string title;
  StageUnit unit;
  int digits;
};

/// Top-1, agreement and KL, as they are drawn.
const std::vector<StageFigure>& drawn_figures();

struct StageValue {
  double value = 0;
  std::optional<std::pair<double, double>> interval;
};

/// The figure with its interval; nothing where it is missing, something else or beyond any drawing.
std::optional<StageValue> stage_value(const Json& judged, const std::string& key);

std::string shown(double value, const StageFigure& figure);

/// A cell with the figure and its interval, empty where it is missing.
std::string figure_cell(const Json& judged, const StageFigure& figure);

/// The entries of accuracy.json that name their stage.
std::vector<Json> judged_stages(const Json& accuracy);

bool is_teacher(const Json& stage);

bool any_has(const std::vector<Json>& stages, const std::string& key);

/// Top-1, agreement and KL as steps over the stages after the teacher, each with the seconds spent on it.
/// Empty unless two of these stages have a KL.
std::string draw_staircase(const std::vector<Json>& stages);

/// The same figures as captured, under halved contrast and under blur, as a table. Empty when no stage was
/// judged under either.
std::string draw_robustness(const std::vector<Json>& stages);

/// The same figures in float32 and in the other arithmetics that a stage was judged in, as a table. Empty
/// when there are none.
std::string draw_arithmetic(const std::vector<Json>& stages);

}  // namespace normgraft
