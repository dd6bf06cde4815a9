#pragma once

#include <CLI/CLI.hpp>

#include "normgraft/pipeline/stages.h"

namespace normgraft::cli {

/// Adds --calibrate.
void add_calibrate_option(CLI::App& command, GraftRequest& request);

}  // namespace normgraft::cli
