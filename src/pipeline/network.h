#pragma once

#include "normgraft/core/monitor.h"
#include "normgraft/data/folder.h"
#include "normgraft/pipeline/run_folder.h"
#include "normgraft/pipeline/stages.h"
#include "normgraft/vit/vit.h"

namespace normgraft {

/// Pictures as the network wants them for evaluation, in batches.
Loader evaluation_loader(const Vit& vit, std::vector<Picture> pictures, int64_t batch, Monitor& monitor);

/// The network that capture looks at. Unless the request says to leave it as it is, its stream is centred and its sinks
/// are lifted; the sinks are looked for in the first of the pictures, and noted in the run folder.
Vit prepare_network(const RunFolder& run, const CaptureRequest& request, const std::vector<Picture>& pictures, Monitor& monitor);

/// The same network for the stages after capture: functions are grafted on it, and it is their teacher.
Vit load_network(const RunFolder& run, const CaptureRequest& request, Monitor& monitor);

}  // namespace normgraft
