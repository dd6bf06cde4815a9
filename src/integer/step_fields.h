#pragma once

#include <array>
#include <string_view>

#include "normgraft/integer/program.h"

namespace normgraft {

// The fields of each kind of step in their order in the file. `fields` reads or writes them: it has a
// function for each kind of field.

void visit_fields(PatchStep& step, auto& fields) {
  fields.buffer("to", step.to);
  fields.number("height", step.height);
  fields.number("width", step.width);
  fields.number("patch_height", step.patch_height);
  fields.number("patch_width", step.patch_width);
}

void visit_fields(FillStep& step, auto& fields) {
  fields.buffer("to", step.to);
  fields.text("tensor", step.tensor);
}

void visit_fields(LinearStep& step, auto& fields) {
  fields.buffer("from", step.from);
  fields.buffer("to", step.to);
  fields.text("weight", step.weight);
  fields.text("bias", step.bias);
  fields.text("multiplier", step.multiplier);
  fields.text("shift", step.shift);
  fields.number("zero", step.zero);
  fields.flag("adds", step.adds);
  fields.number("rows", step.rows);
  fields.number("first_row", step.first_row);
}

void visit_fields(ScaleStep& step, auto& fields) {
  fields.buffer("from", step.from);
  fields.buffer("to", step.to);
  fields.curve("g", step.g);
  fields.number("shift", step.shift);
  fields.number("rows", step.rows);
  if (fields.version() < 2) return;
  fields.number("r_cut", step.r_cut);
  fields.number("x_cut", step.x_cut);
  fields.flag("floors", step.floors);
}

void visit_fields(CurveStep& step, auto& fields) {
  fields.buffer("from", step.from);
  fields.buffer("to", step.to);
  fields.curve("f", step.f);
  fields.number("rows", step.rows);
}

void visit_fields(NormStep& step, auto& fields) {
  fields.buffer("from", step.from);
  fields.buffer("to", step.to);
  fields.number("eps", step.eps);
  fields.number("variance_shift", step.variance_shift);
  fields.rescale("rescale", step.rescale);
  fields.number("rows", step.rows);
}

void visit_fields(FirstSpreadStep& step, auto& fields) {
  fields.buffer("from", step.from);
  fields.buffer("to", step.to);
  fields.text("scale", step.scale);
  fields.text("number", step.number);
  fields.number("number_shift", step.number_shift);
  fields.curve("log2", step.log2);
  fields.rescale("rescale", step.rescale);
  fields.number("zero", step.zero);
}

void visit_fields(AttentionStep& step, auto& fields) {
  fields.buffer("from", step.from);
  fields.buffer("to", step.to);
  fields.number("heads", step.heads);
  fields.curve("exp", step.exp);
  fields.number("exp_bits", step.exp_bits);
  fields.curve("reciprocal", step.reciprocal);
  fields.rescale("rescale", step.rescale);
}

/// What each kind of step is called in the file, in the order of IntegerStep.
inline constexpr std::array<std::string_view, std::variant_size_v<IntegerStep>> kStepKinds = {
    "patch", "fill", "linear", "scale", "curve", "norm", "first_spread", "attention"};

}  // namespace normgraft
