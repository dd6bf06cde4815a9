#pragma once

#include "norm_sites.h"

namespace normgraft {

/// r at the first site: from the stream as it is embedded, by the tensors of the first carrier, into channel
/// 0 of all its rows. `reach` is the largest magnitude of each projection, F64 [K].
void add_first_spread(ProgramMaker& maker, const Tensors& tensors, const StreamCodes& stream,
                      const std::string& place, const Tensor& reach);

}  // namespace normgraft
