#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "normgraft/integer/program.h"

namespace normgraft {

/// Operations that a program needs for one picture, by kind: "multiply-add 8x8", "multiply-add 8x16",
/// "multiply 32x32", "multiply 64x64", "add", "shift", "compare", "table read", "leading one", "divide",
/// "root"; and the bytes of buffers and tensors that its steps read and write, each once a step.
struct OperationCount {
  std::map<std::string, int64_t> operations;
  int64_t bytes_read = 0, bytes_written = 0;
};

/// What each step counts, summed by place, in the order of the steps. Counted from the steps and their
/// shapes, as docs/integer.md writes each step down; addresses and loops are not counted. A root and a
/// division count as one operation each. The program is checked (check).
std::vector<std::pair<std::string, OperationCount>> count_operations(const IntegerProgram& program);

/// The same summed over the norm sites, and over all places.
struct ProgramOperations {
  OperationCount sites, all;
};
ProgramOperations sum_operations(const IntegerProgram& program);

}  // namespace normgraft
