#pragma once

#include <functional>
#include <span>

#include "engine_kernels.h"
#include "normgraft/integer/program.h"

namespace normgraft {

/// What a picture is computed in.
struct EngineRun {
  std::span<const int8_t> picture;
  std::byte* memory;
};

/// A step ready to run on rows `first` to `last` (not included) of what it reads.
struct RowWork {
  size_t rows;
  std::function<void(const EngineRun&, size_t first, size_t last)> run;
};

/// A step whose rows depend on all rows of what it reads, ready to run head by head.
struct HeadWork {
  size_t heads = 0, rows = 0;
  std::function<void(const EngineRun&, size_t head, size_t first, size_t last)> run;
};

/// Steps that need all rows of the phases before. Within a phase a row needs no other row, so its steps run
/// one after another on a few rows at a time, whose codes stay in cache.
struct Phase {
  std::vector<RowWork> works;  ///< or
  HeadWork heads;
  size_t rows() const;
};

/// A program laid out for kernels.
struct EnginePlan {
  EnginePlan(const IntegerProgram& program, const EngineKernels& kernels);

  size_t picture_codes, classes;
  std::vector<Phase> phases;
  size_t memory = 0;  ///< bytes for one picture
  size_t logits = 0;  ///< where they are in them
};

}  // namespace normgraft
