#pragma once

#include "family.h"

namespace normgraft {

/// The config that timm would publish for a checkpoint of Hugging Face's transformers whose tensors have
/// timm's names already. What its config.json and preprocessor_config.json do not say is not in it. Throws
/// InputError naming the file and the field.
Json timm_config_of(const Checkpoint& checkpoint, const Tensors& tensors);

}  // namespace normgraft
