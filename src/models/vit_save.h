#pragma once

#include "normgraft/models/vit.h"
#include "vit_tensors.h"

namespace normgraft {

/// The content of config.json for timm and for load_model. Biases that some blocks have and others lack are
/// added to the tensors, as zeros: timm has them in all blocks or in none.
Json vit_json(const VitConfig& config, const VitBlocks& blocks, Tensors& tensors,
              const Preprocessing& preprocessing);

/// timm's word for a way of pooling.
const char* timm_pooling(Pooling pooling);

}  // namespace normgraft
