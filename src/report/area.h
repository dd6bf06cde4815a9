#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "normgraft/cost/profile.h"
#include "normgraft/evolve/plan.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {

/// What a site takes of a chip.
struct SiteArea {
  LayerNormArea layernorm;  ///< as the unit of docs/hardware.md
  std::optional<double>
      function;  ///< as the chosen function; nothing without one, or without a circuit of it
};

/// As `evolve --profile ice40` prices it.
SiteArea area_at(const SiteMapping& mapping, const std::optional<PlanEntry>& chosen);

/// The unit of its logic.
std::string area_unit();

/// "312", with spaces between thousands.
std::string shown_area(double area);

/// Of x g(r): that there is another unit than that of its circuit.
inline constexpr std::string_view kUnitWithTable =
    "<code>export</code> of a network of integers reads g from a table in place of it, which takes some 160 "
    "LUT4 with a factor of 7 bits (docs/hardware.md).";

}  // namespace normgraft
