#pragma once

#include "normgraft/core/monitor.h"
#include "normgraft/data/loader.h"
#include "normgraft/mapping/mapping.h"
#include "normgraft/vit/vit.h"

namespace normgraft {

/// Runs the model over the pictures and records what each LayerNorm does to its input: the mappings of every
/// norm site, in `bins` bins. Memory does not grow with the number of pictures. The result depends on the
/// pictures and their order. `picture_count` is for the progress line.
Mappings capture(const Vit& vit, Loader& pictures, int64_t picture_count, size_t bins, Monitor& monitor);

/// Pictures a batch so that one batch's activations at all sites stay under `bytes`.
int64_t capture_batch(const Vit& vit, int64_t bytes = int64_t{256} << 20);

}  // namespace normgraft
