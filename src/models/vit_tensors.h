#pragma once

#include <string>

#include "normgraft/models/vit.h"

namespace normgraft {

/// Throws InputError for a configuration that makes no network, and for tensors that it does not ask for: names those
/// that are missing, not understood or of the wrong shape.
void check_vit(const VitConfig& config, const Tensors& tensors);

/// Tokens ahead of the patches: class, distillation and register tokens.
int64_t vit_prefix_tokens(const VitConfig& config);

/// The last norm site's name.
std::string vit_last_norm(const VitConfig& config);

}  // namespace normgraft
