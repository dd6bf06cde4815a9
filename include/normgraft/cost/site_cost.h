#pragma once

#include "normgraft/circuit/circuit.h"
#include "normgraft/circuit/parts.h"
#include "normgraft/core/carried.h"
#include "normgraft/cost/profile.h"

namespace normgraft {

/// Widths of the codes at a norm site.
inline constexpr int kSiteInBits = 16, kSiteOutBits = 8;

/// The formats at a norm site whose functions take x within `range` (its channel within that of `carried`,
/// where there is one) and give at most most_y in magnitude. x and r have 16 bits, y has 8; each has the
/// smallest step that holds its range. Where r tells the spread, x reaches as far as y shows of it: most_y
/// times the largest spread.
CircuitPorts ports_at_site(Interval range, const Carried& carried, double most_y);

/// The area of a circuit under a profile of circuits, in its unit.
double area(const Circuit& circuit, const Profile& profile);

/// What functions cost at one norm site.
class SiteCost {
 public:
  /// D channels. The ports matter to a profile of circuits alone.
  SiteCost(const Profile& profile, int64_t channels, const CircuitPorts& ports);

  /// Of a function at the site: for each element of a token (cost_per_element), or under a profile of
  /// circuits the area of its unit. Infinite where it cannot be made a circuit.
  double operator()(const Expression& f) const;

 private:
  Profile profile_;
  int64_t channels_;
  CircuitPorts ports_;
};

}  // namespace normgraft
