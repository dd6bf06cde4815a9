#pragma once

#include <string>
#include <vector>

#include "normgraft/report/report.h"
#include "site_view.h"

namespace normgraft {

/// The parts of the page, each a piece of HTML that is empty when there is nothing to show.

/// Accuracy, agreement and KL of each stage, drawn and as a table.
std::string render_accuracy(const Json& accuracy);

/// What the norm sites cost on an accelerator, as LayerNorm and as functions; empty where none is replaced.
std::string render_accelerator(const std::optional<AcceleratorCost>& cost);

/// What the units of all norm sites take of a chip, as LayerNorm and as functions; empty where there are no
/// functions.
std::string render_area(const std::vector<SiteView>& views);

/// The same of one site, within its section; empty without a function.
std::string render_site_area(const SiteView& view);

/// Loss against cost over the plans that could be chosen, and the sites that the loss comes from.
std::string render_choice(const Json& choice);

/// The sites compared: a chart and a table.
std::string render_overview(const ReportInput& input, const std::vector<SiteView>& views);

/// One site: its mapping, functions and front.
std::string render_site(const ReportInput& input, const SiteView& view);

/// Loss and top-1 over the epochs of re-alignment.
std::string render_training(const std::vector<Json>& epochs);

}  // namespace normgraft
