#pragma once

#include "normgraft/core/monitor.h"
#include "normgraft/models/options.h"
#include "normgraft/network/network.h"

namespace normgraft {

/// Reads a model folder as timm or Hugging Face publishes it, config.json and weights: model.safetensors,
/// shards of it, pytorch_model.bin, or one .pth file. Or a bare file of weights. Of any family that the
/// project knows. What its stream carries comes from the config. `functions.json` is not looked at
/// (load_graft). Throws InputError for a damaged file, or a checkpoint of no known family, which says why.
Network load_model(const Path& path, const ModelOptions& options, Monitor& monitor);

/// Writes a model folder; each file atomically. The config carries everything that load_model reads.
void save_model(const Path& folder, const Network& network);

}  // namespace normgraft
