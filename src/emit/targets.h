#pragma once

#include "normgraft/emit/exporter.h"

namespace normgraft {

/// One exporter each, defined in a file of its own.
const Exporter& torch_exporter();

}  // namespace normgraft
