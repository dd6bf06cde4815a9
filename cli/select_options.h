#pragma once

#include <CLI/CLI.hpp>

#include "normgraft/pipeline/stages.h"

namespace normgraft::cli {

/// The options that say how a plan is chosen.
void add_select_options(CLI::App& command, SelectRequest& request);

}  // namespace normgraft::cli
