#include <algorithm>

#include "normgraft/evolve/evolve.h"
#include "normgraft/mapping/baselines.h"

namespace normgraft {

bool beats_closed_forms(const SiteFront& site) {
  const std::vector<FrontPoint>& front = site.front;
  if (front.empty()) return false;
  const std::vector<std::string> of_token = token_form_names();
  return std::all_of(site.baselines.begin(), site.baselines.end(), [&](const BaselinePoint& baseline) {
    if (std::find(of_token.begin(), of_token.end(), baseline.name) != of_token.end()) return true;
    const FrontPoint& form = baseline.point;
    if (!(form.held_out_r2 > front.front().held_out_r2)) return true;
    const FrontPoint* chosen = nullptr;
    for (const FrontPoint& point : front) {
      if (point.cost > form.cost) break;
      if (chosen == nullptr || point.choose_error < chosen->choose_error) chosen = &point;
    }
    return chosen != nullptr && chosen->held_out_r2 > form.held_out_r2;
  });
}

}  // namespace normgraft
