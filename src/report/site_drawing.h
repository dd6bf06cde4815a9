#pragma once

#include <string>
#include <vector>

#include "html.h"
#include "normgraft/report/report.h"
#include "site_view.h"

namespace normgraft {

/// The central part of x: all but `tail` of the weight on each side.
Interval central_range(const SiteMapping& mapping, Measure measure, double tail);

/// The mapping over a range of x, as conditional mean and spread of y, with the fitted functions over it.
std::string draw_mapping(const SiteView& view, Measure measure, Interval range);

/// How far the functions are from the conditional mean of y, over a range of x.
std::string draw_residuals(const SiteView& view, Measure measure, Interval range);

/// Gap to the ceiling against cost: front, seeds, closed forms, the chosen function.
std::string draw_front(const SiteView& view, const std::string& unit);

/// What the drawings of a mapping show.
std::vector<LegendEntry> mapping_legend(const SiteView& view);

}  // namespace normgraft
