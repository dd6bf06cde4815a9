#include "normgraft/pipeline/pipeline.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <set>

#include "normgraft/core/error.h"
#include "normgraft/data/split.h"
#include "normgraft/models/model_folder.h"
#include "normgraft/pipeline/models.h"
#include "pictures.h"

namespace normgraft {
namespace {

/// Decides which stages have to run, and keeps accuracy.json.
class Pipeline {
 public:
  Pipeline(const RunFolder& run, const PipelineRequest& request, Monitor& monitor)
      : run_(run), request_(request), monitor_(monitor) {
    if (std::filesystem::exists(run.accuracy())) known_ = read_json(run.accuracy(), "accuracy");
  }

  /// Runs the stage unless its result is there for the same request; a stage that ran makes all later ones
  /// run.
  template <typename Stage>
  void stage(const std::string& name, const Json& asked, const Path& result, const Stage& body) {
    if (!stale_ && std::filesystem::exists(result) && run_.asked(name) == asked) {
      monitor_.notice(fmt::format("{}: done before", name));
      return;
    }
    stale_ = true;
    body();
  }

  /// Judges one model of the run, unless it was judged and nothing changed since. `stages` are those whose
  /// work it took; `prepare` writes the model where no stage does.
  void judge(const std::string& name, const Path& model, const std::vector<std::string>& stages,
             const std::function<void()>& prepare = {}) {
    if (!request_.val) return;
    const std::string data = std::filesystem::absolute(*request_.val).lexically_normal().string();
    for (const Json& entry : known_) {
      if (!stale_ && entry.value("stage", "") == name && entry.value("data", "") == data &&
          entry.contains("under") == request_.staircase && judged_formats(entry) == format_names()) {
        accuracy_.push_back(entry);
        return;
      }
    }
    if (prepare) prepare();
    EvalRequest eval;
    eval.model = model;
    eval.data = *request_.val;
    eval.classes = request_.classes;
    eval.teacher = request_.capture.model;
    eval.model_options = request_.capture.model_options;
    if (request_.staircase) eval.conditions = {Condition::kContrast, Condition::kBlur};
    Json entry{{"stage", name}, {"data", data}, {"seconds", seconds(stages)}};
    entry.update(to_json(eval_model(eval, monitor_)));
    eval.conditions.clear();
    eval.calibration = run_.root();
    for (const Precision& format : request_.formats) {
      eval.format = format;
      entry["arithmetic"][to_string(format)] = judgement_json(eval_model(eval, monitor_));
    }
    accuracy_.push_back(std::move(entry));
    write_json(run_.accuracy(), accuracy_);
  }

  const Json& accuracy() const { return accuracy_; }

 private:
  std::set<std::string> format_names() const {
    std::set<std::string> names;
    for (const Precision& format : request_.formats) names.insert(to_string(format));
    return names;
  }

  static std::set<std::string> judged_formats(const Json& entry) {
    std::set<std::string> names;
    const Json judged = entry.value("arithmetic", Json::object());
    for (const auto& [name, judgement] : judged.items()) names.insert(name);
    return names;
  }

  double seconds(const std::vector<std::string>& stages) const {
    const Json run = run_.read();
    double sum = 0;
    for (const std::string& stage : stages) sum += run.at("seconds").value(stage, 0.0);
    return sum;
  }

  const RunFolder& run_;
  const PipelineRequest& request_;
  Monitor& monitor_;
  Json known_ = Json::array();     // of an earlier run
  Json accuracy_ = Json::array();  // of this one
  bool stale_ = false;
};

/// A graft of the most accurate functions of some fronts, uncalibrated.
void write_uncalibrated(const RunFolder& run, const Fronts& fronts, const Path& folder, Monitor& monitor) {
  const RunFolder part(folder, run.prepared());
  write_json(part.run_json(), run.read());
  write_json(part.fronts(), to_json(fronts));
  select_stage(part, {.strategy = "min-error"}, monitor);
  GraftRequest graft;
  graft.calibration = Calibration::kNone;
  graft_stage(part, graft, monitor);
}

/// The steps before calibration: plain pairs, weighted pairs, the plan.
void judge_uncalibrated(Pipeline& pipeline, const RunFolder& run, const PipelineRequest& request,
                        Monitor& monitor) {
  const auto part = [&](const char* name) { return RunFolder(run.staircase() / name, run.prepared()); };
  const RunFolder plain = part("plain"), weighted = part("weighted"), selected = part("selected");
  EvolveOptions unweighted = request.evolve;
  unweighted.measure = Measure::kCount;
  pipeline.stage("evolve plain", asked_of(unweighted), plain.grafted() / "functions.json", [&] {
    const Fronts fronts = evolve(read_mappings(run.mappings()), unweighted, monitor);
    write_uncalibrated(run, fronts, plain.root(), monitor);
    run.record("evolve plain", asked_of(unweighted), fronts.seconds);
  });
  pipeline.judge("plain", plain.grafted(), {"capture", "evolve plain"});
  pipeline.judge("weighted", weighted.grafted(), {"capture", "evolve"}, [&] {
    const Fronts fronts = fronts_from_json(read_json(run.fronts(), "fronts"), run.fronts().string());
    write_uncalibrated(run, fronts, weighted.root(), monitor);
  });
  pipeline.judge("selected", selected.grafted(), {"capture", "evolve", "select"}, [&] {
    GraftRequest uncalibrated = request.graft;
    uncalibrated.calibration = Calibration::kNone;
    write_json(selected.run_json(), run.read());
    write_json(selected.plan(), read_json(run.plan(), "plan"));
    graft_stage(selected, uncalibrated, monitor);
  });
}

/// Refuses what would fail hours later. The stages give the notices again, so here they are not given.
void check(const PipelineRequest& request) {
  Monitor& monitor = silent_monitor();
  const Network model = load_model(request.capture.model, request.capture.model_options, monitor);
  const CaptureRequest& capture = request.capture;
  split_pictures(
      unlabelled_pictures(capture.data, capture.pictures, capture.seed, monitor));  // refuses too few
  if (model.classes() < 2) {
    std::vector<std::string> expected;
    if (request.capture.options.pairs.weights != Weights::kNone) expected.emplace_back("weights none");
    if (request.graft.calibration == Calibration::kSequential)
      expected.emplace_back("calibration none or affine");
    if (request.select.strategy == "budget") expected.emplace_back("another strategy than budget");
    if (request.constants || request.realign) expected.emplace_back("no training");
    if (request.val) expected.emplace_back("no pictures to judge on");
    if (!expected.empty()) {
      throw InputError(fmt::format("run: {} predicts {} classes, expected {} for it",
                                   model.architecture().name(), model.classes(), fmt::join(expected, ", ")));
    }
  }
  if (request.val) labelled_pictures(*request.val, request.classes, 0, classifier(model), monitor);
  if (request.realign && needs_labels(request.realign->options)) {
    labelled_pictures(request.realign->train, request.realign->classes, 0, classifier(model), monitor);
  }
}

}  // namespace

Json run_pipeline(const RunFolder& run, const PipelineRequest& request, Monitor& monitor) {
  check(request);
  Pipeline pipeline(run, request, monitor);
  pipeline.stage("capture", asked_of(request.capture), run.mappings(),
                 [&] { capture_stage(run, request.capture, monitor); });
  pipeline.judge("teacher", request.capture.model, {});
  pipeline.stage("evolve", asked_of(request.evolve), run.fronts(),
                 [&] { evolve_stage(run, request.evolve, monitor); });
  pipeline.stage("select", asked_of(request.select), run.plan(),
                 [&] { select_stage(run, request.select, monitor); });
  if (request.staircase) judge_uncalibrated(pipeline, run, request, monitor);

  std::vector<std::string> stages = {"capture", "evolve", "select", "graft"};
  pipeline.stage("graft", asked_of(request.graft), run.grafted() / "functions.json",
                 [&] { graft_stage(run, request.graft, monitor); });
  pipeline.judge(request.graft.calibration == Calibration::kNone ? "grafted" : "calibrated", run.grafted(),
                 stages);

  const auto train = [&](const std::string& stage, const std::string& name, RealignRequest realign,
                         const Path& folder) {
    realign.restart = true;
    realign.output = folder;
    pipeline.stage(stage, asked_of(realign), folder / "functions.json",
                   [&] { realign_stage(run, realign, monitor); });
    stages.push_back(stage);
    pipeline.judge(name, folder, stages);
  };
  if (request.constants) {
    RealignRequest constants;
    constants.train = request.capture.data;
    constants.pictures = request.capture.pictures;
    constants.options = *request.constants;
    train("constants", "constants", constants, run.constants());
  }
  if (request.realign) {
    RealignRequest realign = *request.realign;
    if (request.constants) realign.start = run.constants();
    train("realign", "realigned", realign, run.realigned());
  }
  report_stage(run);
  return pipeline.accuracy();
}

}  // namespace normgraft
