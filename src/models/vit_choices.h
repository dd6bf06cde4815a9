#pragma once

#include "normgraft/models/options.h"
#include "normgraft/models/vit.h"
#include "timm_config.h"
#include "timm_names.h"

namespace normgraft {

/// Throws InputError naming an argument in "model_args" with which timm builds a network that is not
/// computed.
void refuse_arguments(const ConfigFields& arguments, const VitConfig& shapes);

/// What tensors do not show: heads, eps, activation, kind of norm, pooling. Each is what the config says,
/// else the option, else what timm's name stands for, else a guess. An option that is not used or that
/// overrides the name, and every guess, is announced. What the tensors show must stand in `config`.
void settle_choices(VitConfig& config, const Tensors& tensors, const ConfigFields& top,
                    const ConfigFields& arguments, const TimmFacts* facts, const ModelOptions& options,
                    Monitor& monitor);

}  // namespace normgraft
