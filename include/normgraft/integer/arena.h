#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "normgraft/integer/program.h"

namespace normgraft {

/// Offsets in the arena, and its size, are multiples of this many bytes.
constexpr int64_t kArenaAlignment = 8;

/// A piece of the arena, and what lies there meanwhile.
struct ArenaSlot {
  std::optional<BufferIndex> buffer = {};  ///< none: numbers of 32 bits that one step alone needs
  bool one_row = false;                    ///< row n alone, in the pass that computes it
  int64_t rows = 0;                        ///< that lie there, from row 0 on
  size_t first_pass = 0, last_pass = 0;
  int64_t offset = 0, bytes = 0;
};

/// A step, where its numbers lie, and how much of it is computed.
struct PlannedStep {
  size_t step = 0;                     ///< in the program
  std::optional<size_t> from = {};     ///< slot
  size_t to = 0;                       ///< slot
  std::optional<size_t> scratch = {};  ///< slot: scores of all rows, sums of a head
};

/// Steps that run together, row by row: for each of `rows` rows, all of them in order. Row n is the row of
/// `from` for a step that reads rows, and row n + first_row of `to`.
struct Pass {
  int64_t rows = 0;
  std::vector<PlannedStep> steps = {};
};

/// How a program runs in one piece of memory.
struct ArenaPlan {
  std::vector<Pass> passes;  ///< one after the other
  std::vector<ArenaSlot> slots;
  size_t logits = 0;  ///< slot, where they lie in the end
  int64_t bytes = 0;  ///< of the arena
};

/// Plans the memory of a program (checked). A buffer lies in the arena from the step that begins to write it
/// to the last one that reads it, and where it is then written anew, that is another stay. What nobody reads
/// is not computed: a step whose rows are not read, or its last rows. Steps between which the rows of a
/// buffer go one by one are one pass, and the buffer is one row: the hidden layer of a perceptron, the output
/// of a norm. Stays that do not meet in time share memory, first fit, the largest first.
ArenaPlan plan_arena(const IntegerProgram& program);

}  // namespace normgraft
