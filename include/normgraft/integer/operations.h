#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "normgraft/integer/program.h"

namespace normgraft {

/// Operations that a program needs for one picture, by kind ("multiply-add 8x8", "multiply 32x32", "add",
/// "shift", "compare", "table read", "divide", "root"), and the bytes that its steps read and write.
struct OperationCount {
  std::map<std::string, int64_t> operations;
  int64_t bytes_read = 0, bytes_written = 0;
};

/// What each step counts, summed by place, in the order of the steps. Counted from the steps and their
/// shapes.
std::vector<std::pair<std::string, OperationCount>> count_operations(const IntegerProgram& program);

}  // namespace normgraft
