#pragma once

#include <string>

#include "normgraft/core/files.h"

namespace normgraft {

/// The folder in which the stages of one run leave their results, each written atomically.
class RunFolder {
 public:
  explicit RunFolder(Path root) : RunFolder(root, root / "prepared") {}
  /// A folder of its own whose stages work on the prepared network of another run.
  RunFolder(Path root, Path prepared) : root_(std::move(root)), prepared_(std::move(prepared)) {}

  const Path& root() const { return root_; }
  Path run_json() const { return root_ / "run.json"; }
  Path prepared() const { return prepared_; }  ///< the network that capture looked at, unless left as it is
  Path mappings() const { return root_ / "mappings.ngm"; }
  Path evolving() const { return root_ / "evolving"; }  ///< states of an unfinished evolve
  Path fronts() const { return root_ / "fronts.json"; }
  Path plan() const { return root_ / "plan.json"; }
  Path choice() const { return root_ / "choice.json"; }            ///< what select --strategy budget measured
  Path calibration() const { return root_ / "calibration.json"; }  ///< the steps of a sequential calibration
  Path grafted() const { return root_ / "grafted"; }
  Path constants() const { return root_ / "constants"; }
  Path staircase() const { return root_ / "staircase"; }  ///< grafts of the steps before calibration
  Path realigned() const { return root_ / "realigned"; }
  Path accuracy() const { return root_ / "accuracy.json"; }
  Path report() const { return root_ / "report.html"; }

  /// run.json. Throws InputError when it is missing, damaged or from a newer version.
  Json read() const;

  /// What was asked of a stage, or noted under another key; null when it has not run.
  Json asked(const std::string& stage) const;

  /// Notes a value in run.json.
  void note(const std::string& key, const Json& value) const;

  /// Notes in run.json what was asked of a stage and the seconds that it took.
  void record(const std::string& stage, const Json& asked, double seconds) const;

  /// A path or number that capture noted; throws InputError naming the field when it is missing.
  std::string text(const std::string& stage, const std::string& field) const;

 private:
  /// run.json, or the beginning of one where there is none.
  Json read_or_begin() const;

  Path root_, prepared_;
};

}  // namespace normgraft
