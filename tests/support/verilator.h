#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <string>

#include "normgraft/core/files.h"

namespace normgraft::testing {

/// What make says of a target, and whether it succeeds. The model is compiled with little optimisation, which
/// takes less time than it saves.
struct Made {
  bool succeeds = false;
  std::string says;
};

inline Made make(const Path& folder, const std::string& targets) {
  const std::string command =
      fmt::format("make -s -C '{0}' {1} OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O0 > '{0}/said' 2>&1",
                  folder.string(), targets);
  const bool succeeds = std::system(command.c_str()) == 0;
  return {succeeds, read_file(folder / "said", "output")};
}

inline bool has_verilator() {
  return std::system("command -v verilator > /dev/null") == 0;
}

}  // namespace normgraft::testing
