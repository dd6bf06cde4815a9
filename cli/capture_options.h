#pragma once

#include <CLI/CLI.hpp>

#include "normgraft/pipeline/stages.h"

namespace normgraft::cli {

/// Adds --bins, --weights, --label-samples, --carrier, --mean-ratio and --r-units.
void add_capture_options(CLI::App& command, CaptureRequest& request);

}  // namespace normgraft::cli
