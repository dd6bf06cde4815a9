#pragma once

#include <string>

#include "normgraft/core/files.h"
#include "normgraft/core/monitor.h"
#include "normgraft/models/options.h"
#include "normgraft/network/network.h"

namespace normgraft {

/// A checkpoint as it lies on disk.
struct Checkpoint {
  Path weights;      ///< the file of weights, or the index of their shards
  Path config_path;  ///< its config.json, or the weights where there is none
  Json config;       ///< an object; empty where there is none
  Tensors tensors;
};

/// A family of networks: the one place that knows its checkpoints. load_model() asks each in turn.
struct Family {
  std::string name;
  /// Empty when the checkpoint is of the family; else why not, in words.
  std::string (*why_not)(const Checkpoint& checkpoint);
  /// The network of such a checkpoint. Throws InputError naming what is wrong in it.
  Network (*load)(Checkpoint checkpoint, const ModelOptions& options, Monitor& monitor);
};

/// timm's VisionTransformer.
Family vit_family();

}  // namespace normgraft
