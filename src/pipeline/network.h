#pragma once

#include <vector>

#include "normgraft/core/monitor.h"
#include "normgraft/data/folder.h"
#include "normgraft/graft/graft.h"
#include "normgraft/graft/yardstick.h"
#include "normgraft/pipeline/run_folder.h"
#include "normgraft/pipeline/stages.h"
#include "normgraft/vit/vit.h"

namespace normgraft {

/// The network that capture looks at. Unless the request says to leave it as it is, its stream is centred,
/// its Linears behind norm sites are blind to the mean, and its tokens carry their scale, fitted to the first
/// of the pictures: it computes what the original does. Throws InputError when no picture could be read.
Vit prepare_network(const CaptureRequest& request, std::vector<Picture> pictures, Monitor& monitor);

/// The carrier_ratio of a request's network; 0 where it is left as it is.
double carried_ratio(const CaptureRequest& request, const Vit& vit);

/// Leaves a prepared network in the run folder, or none.
void record_network(const RunFolder& run, const CaptureRequest& request, const Vit& vit);

/// The same network for the stages after capture: functions are grafted on it, and it is their teacher.
Vit load_network(const RunFolder& run, const CaptureRequest& request, Monitor& monitor);

/// What refit_writers() did.
struct WriterStep {
  Distance before, after;  ///< on the pictures that it was not fitted to
  double seconds = 0;
};

/// Fits the Linears that write the stream again, to the functions that read it (carry_scale with a teacher),
/// where that brings the graft nearer on the held-out pictures.
WriterStep refit_writers(Graft& graft, const Vit& teacher, std::vector<Picture> pictures,
                         const Yardstick& held_out, Monitor& monitor);

}  // namespace normgraft
