#pragma once

#include "normgraft/circuit/circuit.h"
#include "normgraft/circuit/parts.h"
#include "normgraft/core/carried.h"
#include "normgraft/cost/profile.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {

/// Bits of the codes at a norm site: of x and r, and those of y where nothing else is said.
inline constexpr int kSiteInBits = 16, kSiteOutBits = 8;

/// How near units of a graft come to its functions.
struct UnitPrecision {
  int y_bits = kSiteOutBits;  ///< 2 to 16
  double most_error = 0.5;    ///< in steps of y, beyond rounding (Circuit); > 0
};

/// The formats at a norm site whose functions take x within `range` (its channel within that of `carried`,
/// where there is one) and give at most most_y in magnitude. Each has the smallest step that holds its range.
/// Where r tells the spread, x reaches as far as y shows of it: most_y times the largest spread.
CircuitPorts ports_at_site(Interval range, const Carried& carried, double most_y, int y_bits = kSiteOutBits);

/// Those of a mapping: y reaches as far as its pairs, and where r tells the spread as far as LayerNorm's can.
CircuitPorts ports_at_site(const SiteMapping& site);

/// Those of a function at a site of D channels, where x was seen within a range: y reaches as far as f does
/// there, and where r tells the spread as above.
CircuitPorts ports_at_site(const Expression& f, Interval seen, const Carried& carried, int64_t channels,
                           int y_bits);

/// The area of a circuit under a profile of circuits, in its unit.
double area(const Circuit& circuit, const Profile& profile);

/// What functions cost at one norm site.
class SiteCost {
 public:
  SiteCost(const Profile& profile, const SiteMapping& site);

  /// Of a function at the site: for each element of a token (cost_per_element), or under a profile of
  /// circuits the area of its unit. Infinite where it cannot be made a circuit.
  double operator()(const Expression& f) const;

 private:
  Profile profile_;
  int64_t channels_;
  CircuitPorts ports_;
};

}  // namespace normgraft
