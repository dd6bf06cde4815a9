#include "site_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace normgraft {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kBaselineColours = 8;

std::optional<PlanEntry> chosen_of(const ReportInput& input, const std::string& site,
                                   const SiteFront* front) {
  if (input.plan) {
    for (const PlanEntry& entry : input.plan->entries) {
      if (entry.site == site) return entry;
    }
    return std::nullopt;
  }
  if (front == nullptr || front->front.empty()) return std::nullopt;
  const FrontPoint& best = *std::min_element(front->front.begin(), front->front.end(),
                                             [](const auto& a, const auto& b) { return a.error < b.error; });
  return PlanEntry{site,    best.expression,  best.cost,
                   best.r2, best.held_out_r2, "The most accurate of the front; no plan has been made."};
}

}  // namespace

double SiteView::ceiling() const {
  return front != nullptr ? front->held_out_ceiling : kUnknown;
}

double SiteView::chosen_r2() const {
  return chosen ? chosen->held_out_r2 : kUnknown;
}

double SiteView::chosen_plain_r2() const {
  if (!chosen || front == nullptr) return kUnknown;
  for (const FrontPoint& point : front->front) {
    if (point.expression == chosen->expression) return point.plain_r2;
  }
  for (const BaselinePoint& baseline : front->baselines) {
    if (baseline.point.expression == chosen->expression) return baseline.point.plain_r2;
  }
  return kUnknown;
}

double SiteView::plain_ceiling() const {
  return front != nullptr ? front->plain_ceiling : kUnknown;
}

double SiteView::held_out_r2(const BaselinePoint* baseline) {
  return baseline != nullptr ? baseline->point.held_out_r2 : kUnknown;
}

double SiteView::gap_closed() const {
  const double gap = ceiling() - best_r2();
  return gap > 0 ? (chosen_r2() - best_r2()) / gap : kUnknown;
}

bool SiteView::is_factor_of_r() const {
  return chosen && mapping->carried.channel && chosen->expression.reads(Op::kR) &&
         factor_of_r(chosen->expression);
}

std::string SiteView::anchor() const {
  return fmt::format("site-{}", index + 1);
}

std::vector<SiteView> site_views(const ReportInput& input) {
  std::vector<SiteView> views;
  for (const SiteMapping& mapping : input.mappings.sites) {
    SiteView view;
    view.index = views.size();
    view.mapping = &mapping;
    for (const SiteFront& front : input.fronts.sites) {
      if (front.site == mapping.name) view.front = &front;
    }
    if (view.front != nullptr) {
      for (const BaselinePoint& baseline : view.front->baselines) {
        if (baseline.name == "tanh") view.tanh = &baseline;
        const double r2 = baseline.point.held_out_r2;
        if (std::isfinite(r2) && (view.best == nullptr || r2 > view.best->point.held_out_r2))
          view.best = &baseline;
      }
    }
    view.chosen = chosen_of(input, mapping.name, view.front);
    view.area = area_at(mapping, view.chosen);
    views.push_back(std::move(view));
  }
  return views;
}

std::string baseline_css(size_t index) {
  return fmt::format("b{}", index % kBaselineColours);
}

}  // namespace normgraft
