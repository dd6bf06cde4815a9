#pragma once

#include "normgraft/core/files.h"
#include "normgraft/core/monitor.h"
#include "normgraft/network/tensors.h"

namespace normgraft {

/// The file of the weights within a model folder: the first of model.safetensors,
/// model.safetensors.index.json, pytorch_model.bin that is there, else the only .safetensors, .pth or .pt
/// file. Throws InputError naming the folder where there is none, or more than one of the last.
Path weights_in(const Path& folder);

/// The tensors of such a file, told by its name: a .safetensors file, an index of shards (.json), or what
/// torch.save wrote (read_torch_file). Throws InputError, for an index that names a shard which is missing,
/// or a tensor that its shard has not.
Tensors read_weights(const Path& file, Monitor& monitor);

}  // namespace normgraft
