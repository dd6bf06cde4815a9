#pragma once

#include <CLI/CLI.hpp>

#include "normgraft/evolve/evolve.h"

namespace normgraft::cli {

/// Adds the options of the search.
void add_search_options(CLI::App& command, EvolveOptions& options);

}  // namespace normgraft::cli
