#pragma once

#include <string>

#include "normgraft/cost/roofline.h"

namespace normgraft::cli {

/// What a network costs on an accelerator: the norm sites in each way, the whole network, and each site.
std::string accelerator_text(const AcceleratorCost& cost);

}  // namespace normgraft::cli
