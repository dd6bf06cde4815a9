#pragma once

#include "normgraft/core/monitor.h"
#include "normgraft/models/options.h"
#include "normgraft/network/network.h"

namespace normgraft {

/// Reads a model folder as timm publishes it (config.json + model.safetensors), or a bare .safetensors file:
/// of any family that the project knows. What its stream carries comes from the config. `functions.json` is
/// not looked at (load_graft). Throws InputError for a damaged file, or a checkpoint of no known family,
/// which says why.
Network load_model(const Path& path, const ModelOptions& options, Monitor& monitor);

/// Writes a model folder; each file atomically. The config carries everything that load_model reads.
void save_model(const Path& folder, const Network& network);

}  // namespace normgraft
