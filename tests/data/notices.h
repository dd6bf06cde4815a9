#pragma once

#include <string>
#include <vector>

#include "normgraft/core/monitor.h"

namespace normgraft {

/// Keeps what the library says.
struct Notices : Monitor {
  void notice(const std::string& line) override { lines.push_back(line); }
  std::vector<std::string> lines;
};

}  // namespace normgraft
