#pragma once

#include "normgraft/core/files.h"
#include "normgraft/eval/evaluate.h"
#include "normgraft/integer/program.h"
#include "pictures.h"

namespace normgraft {

/// A program of whole numbers as eval judges it: pictures become the nearest levels of pixels, and logits
/// real numbers. The program must outlive what is returned.
JudgedModel judged_program(const IntegerProgram& program);

Classifier classifier_of(const IntegerProgram& program);

/// Of a program: architecture, arithmetic, buffers with their steps, bounds of sums, memory, preprocessing.
Json describe_program(const IntegerProgram& program);

/// Normalised pictures [B, 3, height, width] -> codes pixel - 128, int8 of the same shape.
Tensor picture_codes(const Tensor& images, const Preprocessing& preprocessing);

}  // namespace normgraft
