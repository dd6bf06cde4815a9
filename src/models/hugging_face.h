#pragma once

#include "family.h"

namespace normgraft {

/// Whether a checkpoint has the tensor names of a Vision Transformer of Hugging Face's transformers: ViT*,
/// DeiT*, Dinov2* and Dinov2WithRegisters*.
bool has_hugging_face_names(const Checkpoint& checkpoint);

/// Gives such a checkpoint the tensor names and the config of timm: queries, keys and values become one
/// Linear, the tokens ahead of the patches those of timm. What the pictures should be comes from
/// preprocessor_config.json beside the weights, where there is one. What is left out is announced. Throws
/// InputError naming the field, or what is not computed, such as a head that reads more than the class token.
/// Source: transformers 4.33, and 4.48 for registers.
void to_timm(Checkpoint& checkpoint, Monitor& monitor);

}  // namespace normgraft
