#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "normgraft/circuit/parts.h"
#include "normgraft/core/files.h"
#include "normgraft/expr/expression.h"

namespace normgraft {

/// What the LayerNorm unit of docs/hardware.md takes of a chip, for tokens of D channels, x of 16 bits and y
/// of 8.
struct LayerNormArea {
  int64_t width = 0;    ///< D
  double logic = 0;     ///< in the unit of its profile
  double ram_bits = 0;  ///< of block RAM, which holds a token
  double clocks = 0;    ///< from the first element that enters to the first that leaves
};

/// What each primitive costs on one target, in one named unit.
struct Profile {
  std::string name;                                 ///< "flops", or the file it came from
  std::string unit;                                 ///< "FLOPs"
  std::map<std::string, double, std::less<>> cost;  ///< primitive name -> cost of one evaluation
  /// Of circuits: the area of one of each part (SiteCost). Where it is there, a function costs the area of
  /// its unit and not operations.
  std::optional<CircuitParts> parts = {};
  /// Of circuits: the LayerNorm units that were measured, by rising width. May be empty.
  std::vector<LayerNormArea> layernorm = {};

  /// Whether functions cost the area of their units, once a site, and not operations of each element.
  bool of_circuits() const { return parts.has_value(); }

  /// Sum over the program. Throws InputError naming a primitive that the profile does not price.
  double operator()(const Expression& f) const;

  /// Of one evaluation of a primitive. Throws likewise.
  double price(Op op) const;
};

/// The published counts (arXiv 2605.14047): tanh 23, sigmoid 22, + - * 1, neg 0, clip 0. The search counts a
/// clip as 1 (`clip_cost`), or it would put one on another for nothing. Primitives outside the published set
/// are counted by the same rule, stated beside each figure in the implementation.
Profile flops_profile(double clip_cost = 0.0);

/// A profile by name ("flops"), else from a JSON file {"name", "unit", "cost": {primitive: number}}, of
/// circuits with "parts": {part: number} (part_name) in place of "cost", and perhaps "layernorm": [{"width",
/// "lut", "ram_bits", "clocks"}] by rising width. Throws InputError for an unknown name, a missing primitive,
/// part or field, a cost that is not finite and >= 0, or widths that are no whole numbers or do not rise.
Profile load_profile(const std::string& name_or_path);

/// The LayerNorm unit of any D >= 1: straight in log2 D (clocks: in D) between the measured ones, beyond them
/// as at the nearest. Nothing where the profile has none.
std::optional<LayerNormArea> layernorm_area(const Profile& profile, int64_t channels);

/// What f costs for each of the D channels of a token, in the profile's unit. An operation whose operands do
/// not depend on x is done once a token and counts 1/D; a leaf counts with the operation that takes it.
/// Without r this is profile(f), but for operations on constants alone. D >= 1.
double cost_per_element(const Expression& f, const Profile& profile, int64_t channels);

/// FLOPs of one LayerNorm over D channels, for each element: mean (1), centring (1), variance (2), scaling
/// (1), and a share of the reciprocal square root. Gamma and beta are not counted, nor are they for
/// functions: both can be folded.
double layernorm_flops_per_element(int64_t channels);

}  // namespace normgraft
