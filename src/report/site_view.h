#pragma once

#include <optional>
#include <string>
#include <vector>

#include "area.h"
#include "normgraft/report/report.h"

namespace normgraft {

/// What the report says about one site; points into the ReportInput.
struct SiteView {
  size_t index = 0;
  const SiteMapping* mapping = nullptr;
  const SiteFront* front = nullptr;     ///< null when the site was not searched
  const BaselinePoint* best = nullptr;  ///< the closed form with the highest held-out R^2
  const BaselinePoint* tanh = nullptr;  ///< tanh(a x), the published baseline
  std::optional<PlanEntry> chosen;      ///< of the plan; without a plan the most accurate of the front
  SiteArea area;                        ///< of its unit

  double ceiling() const;
  double best_r2() const { return held_out_r2(best); }
  double tanh_r2() const { return held_out_r2(tanh); }
  double chosen_r2() const;
  /// Held out, all pairs alike; NaN when the chosen function is not among those searched.
  double chosen_plain_r2() const;
  double plain_ceiling() const;
  /// Share of the gap between the best closed form and the ceiling that the chosen function closes; NaN where
  /// there is no gap.
  double gap_closed() const;
  /// Whether the chosen function is x g(r), and g no constant.
  bool is_factor_of_r() const;
  /// Name of the section's anchor.
  std::string anchor() const;

 private:
  static double held_out_r2(const BaselinePoint* baseline);
};

/// One view for each site, in the order of the network.
std::vector<SiteView> site_views(const ReportInput& input);

/// Colour class of a closed form: its place among the baselines of a site.
std::string baseline_css(size_t index);

}  // namespace normgraft
