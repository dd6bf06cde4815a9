#pragma once

#include <optional>

#include "normgraft/pipeline/stages.h"
#include "normgraft/quantize/precision.h"

namespace normgraft {

/// Everything, from checkpoint to report. A stage whose result is there and was asked for in the same
/// words is not run again, unless one before it was.
struct PipelineRequest {
  CaptureRequest capture;
  EvolveOptions evolve;
  SelectRequest select;
  GraftRequest graft;
  std::optional<RealignOptions>
      constants;  ///< re-alignment of constants on the calibration pictures; nothing: none
  std::optional<RealignRequest> realign;  ///< nothing: no training
  std::optional<Path> val;                ///< pictures to judge every stage on; nothing: not judged
  std::optional<Path> classes;            ///< class list for `val`
  /// Every stage is judged in these too; the steps of integers are chosen by the run's pictures to fit to.
  std::vector<Precision> formats = {{NumberKind::kBfloat16, 16}, {NumberKind::kW8A8, 16}};
  bool staircase =
      false;  ///< judges also what comes before calibration, and every stage under all conditions
};

/// Returns accuracy.json: the keys of to_json(Evaluation), "stage", "data" and "seconds" (of all work up to
/// there) for each stage: "teacher", "grafted" ("calibrated" when graft calibrates), "constants" and
/// "realigned"; with `staircase` also "plain" (min-error functions of an evolution in which all pairs count
/// alike, uncalibrated), "weighted" (min-error, uncalibrated) and "selected" (the plan, uncalibrated).
/// "arithmetic" holds the keys of a Judgement for each of `formats`, by its to_string().
///
/// What cannot be done with this model and these pictures is refused before any work: calibration, weights or
/// training by a model's answers where it tells fewer than two classes apart, and pictures of other classes.
Json run_pipeline(const RunFolder& run, const PipelineRequest& request, Monitor& monitor);

}  // namespace normgraft
