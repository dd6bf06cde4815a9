#include <fmt/format.h>

#include "normgraft/pipeline/stages.h"

namespace normgraft {
namespace {

/// Decides which stages have to run, and keeps accuracy.json.
class Pipeline {
 public:
  Pipeline(const RunFolder& run, const PipelineRequest& request, Monitor& monitor)
      : run_(run), request_(request), monitor_(monitor) {
    if (std::filesystem::exists(run.accuracy())) accuracy_ = read_json(run.accuracy(), "accuracy");
  }

  /// Runs the stage unless its result is there for the same request; a stage that ran makes all later ones run.
  template <typename Stage>
  void stage(const std::string& name, const Json& asked, const Path& result, const Stage& body) {
    if (!stale_ && std::filesystem::exists(result) && run_.asked(name) == asked) {
      monitor_.notice(fmt::format("{}: done before", name));
      return;
    }
    stale_ = true;
    body();
  }

  /// Judges one model of the run, unless it was judged and nothing changed since.
  void judge(const std::string& stage, const Path& model) {
    if (!request_.val) return;
    const std::string data = std::filesystem::absolute(*request_.val).lexically_normal().string();
    Json* entry = nullptr;
    for (Json& known : accuracy_) {
      if (known.value("stage", "") == stage) entry = &known;
    }
    if (entry != nullptr && !stale_ && entry->value("data", "") == data) return;
    EvalRequest eval;
    eval.model = model;
    eval.data = *request_.val;
    eval.classes = request_.classes;
    eval.teacher = request_.capture.model;
    eval.vit = request_.capture.vit;
    const Evaluation evaluation = eval_stage(eval, monitor_);
    if (entry == nullptr) entry = &accuracy_.emplace_back();
    *entry = Json{{"stage", stage}, {"data", data}};
    entry->update(to_json(evaluation));
    write_json(run_.accuracy(), accuracy_);
  }

  const Json& accuracy() const { return accuracy_; }

 private:
  const RunFolder& run_;
  const PipelineRequest& request_;
  Monitor& monitor_;
  Json accuracy_ = Json::array();
  bool stale_ = false;
};

}  // namespace

Json run_pipeline(const RunFolder& run, const PipelineRequest& request, Monitor& monitor) {
  Pipeline pipeline(run, request, monitor);
  pipeline.stage("capture", asked_of(request.capture), run.mappings(),
                 [&] { capture_stage(run, request.capture, monitor); });
  pipeline.stage("evolve", asked_of(request.evolve), run.fronts(), [&] { evolve_stage(run, request.evolve, monitor); });
  pipeline.stage("select", Json{{"strategy", request.strategy}}, run.plan(), [&] { select_stage(run, request.strategy); });
  pipeline.stage("graft", asked_of(request.graft), run.grafted() / "functions.json",
                 [&] { graft_stage(run, request.graft, monitor); });
  pipeline.judge("teacher", request.capture.model);
  pipeline.judge("grafted", run.grafted());
  if (request.realign) {
    pipeline.stage("realign", asked_of(*request.realign), run.realigned() / "functions.json", [&] {
      RealignRequest realign = *request.realign;
      realign.restart = true;
      realign_stage(run, realign, monitor);
    });
    pipeline.judge("realigned", run.realigned());
  }
  report_stage(run);
  return pipeline.accuracy();
}

}  // namespace normgraft
