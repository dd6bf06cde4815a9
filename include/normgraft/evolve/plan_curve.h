#pragma once

#include <string>
#include <vector>

#include "normgraft/evolve/budget.h"
#include "normgraft/evolve/plan.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {

/// The plans for the whole network that no other beats in both cost and predicted loss. Candidates of a site
/// are its front and its fitted closed forms. Losses of sites add up, and are those on the pictures to choose
/// by; on those fitted on, where there are none to choose by.
///
/// Where pairs are weighted, a loss is the divergence of the answers in nats (predicted_divergence). It is
/// too low where the tokens of a picture err alike, as with one function of r for all of them: up to as many
/// times as there are tokens. Where pairs are not weighted, a loss is 1 - R^2, averaged over the sites.
class PlanCurve {
 public:
  /// Fronts have to outlive this. Throws InputError where fronts and mappings do not belong together.
  PlanCurve(const Fronts& fronts, const Mappings& mappings);

  /// The cheapest plan that is predicted to lose at most `more` beyond the least; `more` is at least 0.
  Plan within(double more) const;

 private:
  /// A function that a site may get.
  struct Candidate {
    const FrontPoint* point;
    std::string origin;  ///< in words
    double cost = 0;     ///< for one picture
    double error = 0;    ///< the predicted loss; named so for pareto_front()
  };

  void add(const SiteFront& front, const Mappings& mappings);

  const Fronts& fronts_;
  std::string unit_;                                ///< of losses
  std::vector<std::vector<Candidate>> candidates_;  ///< of each site, by rising cost and falling loss
  std::vector<Selection> curve_;
};

}  // namespace normgraft
