#pragma once

#include "normgraft/core/files.h"
#include "normgraft/network/tensors.h"

namespace normgraft {

/// Reads all tensors of a safetensors file; F16 and BF16 become F32, other floating types too; integer
/// tensors keep their type. Throws InputError naming the file, the tensor and the fault: truncated file,
/// header longer than the file, header that is not the expected JSON, duplicate names, unknown dtype, shape
/// that disagrees with the byte count, offsets out of range, overlapping or leaving gaps. Data may be
/// unaligned: the format does not ask for alignment.
Tensors read_safetensors(const Path& path);

/// Writes F32 tensors (others are converted) atomically, sorted by name, header padded to 8 bytes.
void write_safetensors(const Path& path, const Tensors& tensors);

}  // namespace normgraft
