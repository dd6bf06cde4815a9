#pragma once

#include <string>

#include "normgraft/core/files.h"

namespace normgraft::cli {

/// What was won and lost: a row for each entry of accuracy.json.
std::string accuracy_table(const Json& accuracy);

/// Seconds of each stage.
std::string seconds_table(const Json& seconds);

}  // namespace normgraft::cli
