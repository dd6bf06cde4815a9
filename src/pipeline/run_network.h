#pragma once

#include <vector>

#include "normgraft/data/split.h"
#include "normgraft/network/network.h"
#include "normgraft/pipeline/stages.h"

namespace normgraft {

/// How run.json holds the options of a model; captured_run() reads them back.
Json model_options_json(const ModelOptions& options);

/// The best carrier that a network allows.
Carrier best_carrier(const Network& network);

/// Makes a network carry the scale of its tokens as the request says, fitted to the first of `fit`. It
/// computes what it did before. Throws InputError where the network does not allow it.
void prepare_network(Network& network, Carrier carrier, const CaptureRequest& request,
                     const std::vector<Picture>& fit, Monitor& monitor);

/// Leaves a prepared network in the run folder, or none where the model itself was captured.
void record_network(const RunFolder& run, Carrier carrier, const Network& network);

/// What the stages after capture work on.
struct CapturedRun {
  CaptureRequest request;
  Carrier carrier = Carrier::kNone;
  PictureSplit pictures;

  /// The captured network: functions are grafted on it, and it is their teacher.
  Network network(const RunFolder& run, Monitor& monitor) const;
};

/// What capture noted in a run folder; what it passed over in the picture tree is not said again. Throws
/// InputError naming what is missing in it.
CapturedRun captured_run(const RunFolder& run);

}  // namespace normgraft
