#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "normgraft/pipeline/stages.h"

namespace normgraft::cli {

/// The options that say how a plan is chosen. `profile_flag` names the budget's profile: --profile, unless
/// the command has one of that name for its search.
void add_select_options(CLI::App& command, SelectRequest& request,
                        const std::string& profile_flag = "--profile");

}  // namespace normgraft::cli
