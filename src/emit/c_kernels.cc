#include "c_kernels.h"

#include <fmt/format.h>

#include "c_pieces.h"

namespace normgraft {

void CKernels::add(std::string_view piece, const std::map<std::string, int>& words) {
  std::string text(piece);
  for (const auto& [name, bits] : words) {
    const std::string pattern = "@" + name + "@";
    for (size_t at = 0; (at = text.find(pattern, at)) != std::string::npos;)
      text.replace(at, pattern.size(), std::to_string(bits));
  }
  if (added_.insert(text).second) text_ += text;
}

void CKernels::clamp(int bits) {
  add(c::kClamp, {{"to", bits}});
}

void CKernels::curve_at(int knot_bits) {
  add(c::kRoundShift);
  add(c::kCurveAt, {{"knots", knot_bits}});
}

std::string CKernels::patch(int to_bits) {
  add(c::kPatchOf);
  add(c::kPatch, {{"to", to_bits}});
  return fmt::format("patch_{}", to_bits);
}

std::string CKernels::fill(int tensor_bits, int to_bits) {
  clamp(to_bits);
  add(c::kFill, {{"from", tensor_bits}, {"to", to_bits}});
  return fmt::format("fill_{}_{}", tensor_bits, to_bits);
}

std::string CKernels::linear(int from_bits, int to_bits) {
  add(c::kRoundShift);
  clamp(to_bits);
  add(c::kLinearOf);
  add(c::kLinear, {{"from", from_bits}, {"to", to_bits}});
  return fmt::format("linear_{}_{}", from_bits, to_bits);
}

std::string CKernels::scale(int from_bits, int to_bits, int knot_bits) {
  curve_at(knot_bits);
  clamp(to_bits);
  add(c::kScaleOf, {{"knots", knot_bits}});
  add(c::kScale, {{"from", from_bits}, {"to", to_bits}, {"knots", knot_bits}});
  return fmt::format("scale_{}_{}_{}", from_bits, to_bits, knot_bits);
}

std::string CKernels::cut_scale(int from_bits, int to_bits, int knot_bits) {
  curve_at(knot_bits);
  clamp(to_bits);
  add(c::kCutScaleOf, {{"knots", knot_bits}});
  add(c::kCutScale, {{"from", from_bits}, {"to", to_bits}, {"knots", knot_bits}});
  return fmt::format("cut_scale_{}_{}_{}", from_bits, to_bits, knot_bits);
}

std::string CKernels::curve(int from_bits, int to_bits, int knot_bits) {
  curve_at(knot_bits);
  clamp(to_bits);
  add(c::kCurveOf, {{"knots", knot_bits}});
  add(c::kCurve, {{"from", from_bits}, {"to", to_bits}, {"knots", knot_bits}});
  return fmt::format("curve_{}_{}_{}", from_bits, to_bits, knot_bits);
}

std::string CKernels::norm(int from_bits, int to_bits) {
  add(c::kRoundShift);
  clamp(to_bits);
  add(c::kNormOf);
  add(c::kNorm, {{"from", from_bits}, {"to", to_bits}});
  return fmt::format("norm_{}_{}", from_bits, to_bits);
}

std::string CKernels::first_spread(int from_bits, int to_bits, int knot_bits) {
  curve_at(knot_bits);
  clamp(to_bits);
  add(c::kLeadingOne);
  add(c::kFirstSpreadOf, {{"knots", knot_bits}});
  add(c::kFirstSpread, {{"from", from_bits}, {"to", to_bits}, {"knots", knot_bits}});
  return fmt::format("first_spread_{}_{}_{}", from_bits, to_bits, knot_bits);
}

std::string CKernels::attention(int to_bits, int exp_knot_bits, int reciprocal_knot_bits) {
  curve_at(exp_knot_bits);
  curve_at(reciprocal_knot_bits);
  clamp(to_bits);
  add(c::kLeadingOne);
  const std::map<std::string, int> words = {
      {"to", to_bits}, {"exp", exp_knot_bits}, {"reciprocal", reciprocal_knot_bits}};
  add(c::kAttentionOf, words);
  add(c::kAttention, words);
  return fmt::format("attention_{}_{}_{}", to_bits, exp_knot_bits, reciprocal_knot_bits);
}

}  // namespace normgraft
