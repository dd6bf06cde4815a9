#pragma once

#include <optional>
#include <string>
#include <vector>

#include "normgraft/capture/options.h"
#include "normgraft/choice/choice.h"
#include "normgraft/core/monitor.h"
#include "normgraft/evolve/evolve.h"
#include "normgraft/evolve/plan.h"
#include "normgraft/models/options.h"
#include "normgraft/pipeline/run_folder.h"
#include "normgraft/realign/realign.h"

namespace normgraft {

/// Each stage reads what the stages before it left in the run folder, leaves its own result there, and notes
/// in run.json what was asked. All throw InputError for what is wrong in their input, before anything is
/// written.

/// What is made to tell a function the spread of a token.
enum class Carrier : uint8_t {
  kNone,     ///< nothing: the stream stays as it is
  kMean,     ///< the mean of the token over channels (let_mean_carry_scale)
  kChannel,  ///< a channel of its own (let_channel_carry_scale)
};

/// "none", "mean" or "channel"; throws InputError naming these.
Carrier carrier_named(const std::string& name);
std::string to_string(Carrier carrier);

inline constexpr double kMeanRatio = 4, kLeastMeanRatio = 1.1, kMostMeanRatio = 100;

struct CaptureRequest {
  Path model;
  Path data;             ///< ImageFolder tree; labels are not used
  int64_t pictures = 0;  ///< 0: all
  uint64_t seed = 1;     ///< of the order in which pictures are taken
  CaptureOptions options;
  /// Of the network that is captured and grafted on; nothing: the best that the network allows, a channel
  /// before the mean before none.
  std::optional<Carrier> carrier;
  /// Where the mean is the carrier: that mean over the spread (CarrierOptions::ratio), in roots of the number
  /// of channels, kLeastMeanRatio to kMostMeanRatio.
  double mean_ratio = kMeanRatio;
  /// Of each MLP, where a channel is the carrier, 0 to 4096; nothing: default_r_units()
  std::optional<int64_t> r_units;
  ModelOptions model_options;
};
/// Splits the pictures (split_pictures), prepares the network and captures its mappings.
Mappings capture_stage(const RunFolder& run, const CaptureRequest& request, Monitor& monitor);

Fronts evolve_stage(const RunFolder& run, const EvolveOptions& options, Monitor& monitor);

struct SelectRequest {
  /// "within" (choose_within; predict_within without classes), "budget" (choose_plan), or what select_plan()
  /// understands.
  std::string strategy = "within";
  double within = kWithin;     ///< of the strategy "within"
  std::string profile = {};    ///< of the budget; empty: that of the fronts
  ChoiceOptions options = {};  ///< of the strategy "budget"
};
Plan select_stage(const RunFolder& run, const SelectRequest& request, Monitor& monitor);

/// How a graft is brought nearer to its teacher without training.
enum class Calibration : uint8_t {
  kNone,
  kAffine,      ///< gamma and beta, site by site (calibrate_affine)
  kSequential,  ///< what writes the stream (refit_writers), then all sites together (calibrate_sequential)
};

/// "none", "affine" or "sequential"; throws InputError naming these.
Calibration calibration_named(const std::string& name);
std::string to_string(Calibration calibration);

struct GraftRequest {
  std::optional<Path> output;      ///< default: RunFolder::grafted
  std::vector<std::string> sites;  ///< empty: all
  Calibration calibration = Calibration::kSequential;
  bool fold = false;
};
struct GraftResult {
  size_t replaced = 0, sites = 0;
};
GraftResult graft_stage(const RunFolder& run, const GraftRequest& request, Monitor& monitor);

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

/// Writes report.html from what the run folder holds.
void report_stage(const RunFolder& run);

/// What run.json says of a stage that was asked for in these words.
Json asked_of(const CaptureRequest& request);
Json asked_of(const EvolveOptions& options);
Json asked_of(const SelectRequest& request);
Json asked_of(const GraftRequest& request);
Json asked_of(const RealignRequest& request);

}  // namespace normgraft
