#pragma once

#include <optional>
#include <vector>

#include "normgraft/core/monitor.h"
#include "normgraft/data/folder.h"
#include "normgraft/pipeline/run_folder.h"
#include "normgraft/pipeline/stages.h"
#include "normgraft/vit/sinks.h"
#include "normgraft/vit/vit.h"

namespace normgraft {

/// The network that capture looks at.
struct PreparedNetwork {
  Vit vit;
  std::optional<SinkLift> lift;  ///< how its sinks were lifted, where it has any
};

/// Unless the request says to leave the network as it is, its stream is centred and its sinks are lifted; they are looked
/// for in the first of the pictures.
PreparedNetwork prepare_network(const CaptureRequest& request, std::vector<Picture> pictures, Monitor& monitor);

/// Notes in the run folder how sinks were lifted, or that none were.
void record_sinks(const RunFolder& run, const std::optional<SinkLift>& lift);

/// The same network for the stages after capture: functions are grafted on it, and it is their teacher.
Vit load_network(const RunFolder& run, const CaptureRequest& request, Monitor& monitor);

}  // namespace normgraft
