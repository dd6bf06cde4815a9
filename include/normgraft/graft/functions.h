#pragma once

#include <map>
#include <string>

#include "normgraft/core/files.h"
#include "normgraft/expr/expression.h"
#include "normgraft/expr/grid.h"

namespace normgraft {

/// Site name -> expression.
using Functions = std::map<std::string, Expression>;

/// The content of functions.json: the functions of a graft, the grid that their constants lie on, and the
/// range of x that each site was captured with, where these are known.
struct FunctionFile {
  Functions functions;
  ConstantGrid grid = {};
  std::map<std::string, Interval> seen = {};
};

/// Reads and writes functions.json: {"version": 2, "functions": {site: expression text}, "grid": ..., "seen":
/// {site: [low, high]}}; version 1 has functions only. Reading throws InputError naming file, place and
/// fault.
FunctionFile read_functions(const Path& path);
void write_functions(const Path& path, const FunctionFile& file);

}  // namespace normgraft
