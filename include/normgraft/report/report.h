#pragma once

#include <optional>
#include <string>
#include <vector>

#include "normgraft/core/files.h"
#include "normgraft/cost/roofline.h"
#include "normgraft/evolve/evolve.h"
#include "normgraft/evolve/plan.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {

/// What the stages of a run left behind. Only mappings and fronts are always there.
struct ReportInput {
  Json run;  ///< run.json: what was asked, and "seconds" of each stage
  Mappings mappings;
  Fronts fronts;
  std::optional<Plan> plan;
  Json accuracy;  ///< accuracy.json: array of {"stage", "data", and the keys of `eval --json`}; may be empty
  std::vector<Json> epochs;                            ///< lines of metrics.jsonl; may be empty
  Json choice = nullptr;                               ///< choice.json; null where there is none
  std::optional<AcceleratorCost> on_accelerator = {};  ///< of the graft; nothing where there is none
};

/// One self-contained HTML page, with inline SVG, without scripts, with nothing loaded from elsewhere. It has
/// the accuracy of each stage with its intervals, what the norms cost on an accelerator and take of a chip,
/// the loss for each budget, a table of the sites, and for each site a drawing of its mapping, the ceiling,
/// the fitted closed forms, the evolved function, and the front of error against cost. It computes nothing
/// anew but means, differences, areas of units and values of functions to draw.
std::string render_report(const ReportInput& input);

}  // namespace normgraft
