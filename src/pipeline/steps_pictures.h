#pragma once

#include <optional>

#include "normgraft/core/files.h"
#include "normgraft/core/monitor.h"
#include "normgraft/data/preprocess.h"
#include "normgraft/network/tensors.h"

namespace normgraft {

/// The pictures by which integers choose their steps for a model (use_arithmetic): of `calibration`, a
/// picture folder or a run folder; of the run that the model's folder lies in; else drawn ones. [B, 3,
/// height, width]; of a folder or run at most `count`. Says by a notice which. Throws InputError where there
/// are none.
Tensor steps_images(const Path& model, const std::optional<Path>& calibration,
                    const Preprocessing& preprocessing, Monitor& monitor, int64_t count = 64);

}  // namespace normgraft
