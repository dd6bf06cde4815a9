#pragma once

#include <CLI/CLI.hpp>

#include "normgraft/capture/capture.h"

namespace normgraft::cli {

/// Adds --bins, --weights and --label-samples.
void add_capture_options(CLI::App& command, CaptureOptions& options);

}  // namespace normgraft::cli
