#pragma once

#include <optional>
#include <string>
#include <vector>

#include "normgraft/capture/capture.h"
#include "normgraft/choice/choice.h"
#include "normgraft/core/monitor.h"
#include "normgraft/cost/network.h"
#include "normgraft/eval/evaluate.h"
#include "normgraft/evolve/evolve.h"
#include "normgraft/evolve/plan.h"
#include "normgraft/graft/graft.h"
#include "normgraft/pipeline/run_folder.h"
#include "normgraft/realign/realign.h"

namespace normgraft {

/// Each stage reads what the stages before it left in the run folder, leaves its own result there, and notes
/// in run.json what was asked. All throw InputError for what is wrong in their input, before anything is
/// written.

struct CaptureRequest {
  Path model;
  Path data;             ///< ImageFolder tree; labels are not used
  int64_t pictures = 0;  ///< 0: all
  uint64_t seed = 1;     ///< of the order in which pictures are taken
  CaptureOptions options;
  bool prepare = true;  ///< what is captured and grafted on carries its scale (centre_stream, blind_to_mean,
                        ///< carry_scale)
  VitOptions vit;
};
Mappings capture_stage(const RunFolder& run, const CaptureRequest& request, Monitor& monitor);

Fronts evolve_stage(const RunFolder& run, const EvolveOptions& options, Monitor& monitor);

struct SelectRequest {
  std::string strategy = "min-error";  ///< what select_plan() understands, or "budget" (choose_plan)
  std::string profile = "flops";       ///< of the budget
  ChoiceOptions options = {};          ///< of the strategy "budget"
};
Plan select_stage(const RunFolder& run, const SelectRequest& request, Monitor& monitor);

struct GraftRequest {
  std::optional<Path> output;              ///< default: RunFolder::grafted
  std::vector<std::string> sites;          ///< empty: all
  std::string calibration = "sequential";  ///< "none", "affine" (calibrate_affine) or "sequential"
                                           ///< (carry_scale, calibrate_sequential)
  bool fold = false;
};
Graft graft_stage(const RunFolder& run, const GraftRequest& request, Monitor& monitor);

struct RealignRequest {
  Path train;                   ///< ImageFolder tree; with labels where the mode needs them
  std::optional<Path> classes;  ///< class list for a tree of some classes only
  int64_t pictures = 0;         ///< 0: all
  std::optional<Path> start;    ///< graft to begin with; default: RunFolder::grafted
  std::optional<Path> output;   ///< default: RunFolder::realigned
  bool restart = false;         ///< replace a training of other options or pictures instead of refusing
  RealignOptions options;
};
RealignResult realign_stage(const RunFolder& run, const RealignRequest& request, Monitor& monitor);

struct EvalRequest {
  Path model;  ///< a model folder, grafted or not
  Path data;
  std::optional<Path> classes;
  std::optional<Path> teacher;
  int64_t pictures = 0;  ///< 0: all
  int64_t batch = 32;
  VitOptions vit;
  std::vector<Condition> conditions = {};  ///< judged under these too
};
Evaluation eval_stage(const EvalRequest& request, Monitor& monitor);

/// Writes report.html from what the run folder holds.
void report_stage(const RunFolder& run);

/// What run.json says of a stage that was asked for in these words.
Json asked_of(const CaptureRequest& request);
Json asked_of(const EvolveOptions& options);
Json asked_of(const SelectRequest& request);
Json asked_of(const GraftRequest& request);
Json asked_of(const RealignRequest& request);

/// All norm sites of a model, for counting.
std::vector<SiteShape> site_shapes(const Vit& vit);

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
  bool staircase =
      false;  ///< judges also what comes before calibration, and every stage under all conditions
};

/// Returns accuracy.json: the keys of to_json(Evaluation), "stage", "data" and "seconds" (of all work up to
/// there) for each stage: "teacher", "grafted" ("calibrated" when graft calibrates), "constants" and
/// "realigned"; with `staircase` also "plain" (min-error functions of an evolution in which all pairs count
/// alike, uncalibrated), "weighted" (min-error, uncalibrated) and "selected" (the plan, uncalibrated).
Json run_pipeline(const RunFolder& run, const PipelineRequest& request, Monitor& monitor);

}  // namespace normgraft
