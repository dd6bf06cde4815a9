#include "normgraft/expr/grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace normgraft {

float ConstantGrid::nearest(float value) const {
  if (allows_all()) return value;
  if (digits > 0) {
    const float rounded = std::strtof(fmt::format("{:.{}e}", value, digits - 1).c_str(), nullptr);
    return std::isfinite(rounded) ? rounded : std::copysign(3e38F, value);
  }
  const float scale = std::ldexp(1.0F, fraction_bits);
  const float rounded = std::nearbyint(value * scale) / scale;
  return std::isfinite(rounded) ? rounded : value;  // so large that it is a whole number
}

Expression on_grid(const Expression& f, const ConstantGrid& grid) {
  std::vector<float> constants = f.constants();
  for (float& c : constants) c = grid.nearest(c);
  Expression rounded = f;
  rounded.set_constants(constants);
  return rounded;
}

bool is_on_grid(const Expression& f, const ConstantGrid& grid) {
  const std::vector<float> constants = f.constants();
  return std::all_of(constants.begin(), constants.end(), [&](float c) { return grid.nearest(c) == c; });
}

Json to_json(const ConstantGrid& grid) {
  return {{"digits", grid.digits}, {"fraction_bits", grid.fraction_bits}};
}

ConstantGrid grid_at(const JsonPlace& place) {
  const ConstantGrid grid{.digits = static_cast<int>(place["digits"].integer(0, 8)),
                          .fraction_bits = static_cast<int>(place["fraction_bits"].integer(-1, 30))};
  if (grid.digits > 0 && grid.fraction_bits >= 0) place.fail("expected digits or fraction_bits, not both");
  return grid;
}

}  // namespace normgraft
