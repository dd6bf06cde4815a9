#pragma once

#include "normgraft/core/files.h"
#include "normgraft/core/monitor.h"
#include "normgraft/network/tensors.h"

namespace normgraft {

/// Reads the tensors of a file that torch.save wrote of a state_dict (.pth, .pt, .bin; PyTorch 1.6 and
/// newer), bare or as the entry "state_dict", "model_state_dict" or "model" of a dictionary. Its pickle is
/// read as data, nothing in it is executed. Floats become F32; integers keep their type. What is no tensor is
/// left out and announced. Throws InputError naming the file and what is wrong in it.
Tensors read_torch_file(const Path& path, Monitor& monitor);

}  // namespace normgraft
