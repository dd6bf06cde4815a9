#include <fmt/format.h>

#include <array>

#include "normgraft/calibrate/affine.h"
#include "normgraft/calibrate/sequential.h"
#include "normgraft/calibrate/writers.h"
#include "normgraft/core/names.h"
#include "normgraft/core/timer.h"
#include "normgraft/graft/graft.h"
#include "normgraft/pipeline/stages.h"
#include "pictures.h"
#include "run_network.h"

namespace normgraft {
namespace {

constexpr std::array<Named<Calibration>, 3> kCalibrations = {{{"none", Calibration::kNone},
                                                              {"affine", Calibration::kAffine},
                                                              {"sequential", Calibration::kSequential}}};

FunctionFile functions_of(const Plan& plan) {
  FunctionFile file;
  file.grid = plan.grid;
  for (const PlanEntry& entry : plan.entries) {
    file.functions.emplace(entry.site, entry.expression);
    if (entry.seen.finite()) file.seen.emplace(entry.site, entry.seen);
  }
  return file;
}

Json to_json(const Distance& before, const Distance& after, double seconds) {
  return {{"kl_before", before.kl},
          {"kl_after", after.kl},
          {"agreement_before", before.agreement},
          {"agreement_after", after.agreement},
          {"seconds", seconds}};
}

/// What calibrating did, judged by the pictures that it chose by; and on pictures that it did not look at.
struct Calibrated {
  std::optional<WriterStep> writers;
  std::vector<SequentialStep> steps;
};

Json calibration_json(const PictureSplit& split, const Calibrated& calibrated) {
  Json list = Json::array();
  for (const SequentialStep& step : calibrated.steps) {
    list.push_back({{"sites", step.sites}, {"damping", step.damping}});
    list.back().update(to_json(step.before, step.after, step.seconds));
  }
  Json json{
      {"version", 1}, {"pictures", split.fit.size()}, {"held_out", split.judges().size()}, {"steps", list}};
  if (calibrated.writers) {
    const WriterStep& writers = *calibrated.writers;
    json["writers"] = to_json(writers.before, writers.after, writers.seconds);
  }
  return json;
}

void calibrate(Graft& graft, const Network& teacher, const CapturedRun& captured, const RunFolder& run,
               Calibration calibration, Monitor& monitor) {
  const PictureSplit& split = captured.pictures;
  switch (calibration) {
    case Calibration::kNone:
      return;
    case Calibration::kAffine: {
      const PairOptions& pairs = captured.request.options.pairs;
      Loader loader =
          evaluation_loader(teacher.preprocessing(), split.fit, pairs_batch(teacher, pairs.weights), monitor);
      calibrate_affine(graft, teacher, loader, static_cast<int64_t>(split.fit.size()), pairs, monitor);
      return;
    }
    case Calibration::kSequential: {
      const Yardstick yardstick(teacher, split.judges(), monitor);
      Calibrated calibrated;
      if (captured.carrier != Carrier::kNone) {
        calibrated.writers = refit_writers(graft, teacher, split.fit, split.choose, yardstick, monitor);
      }
      calibrated.steps = calibrate_sequential(graft, teacher, split.fit, yardstick, {}, monitor);
      Json json = calibration_json(split, calibrated);
      if (!split.choose.empty()) {
        const Distance reported = Yardstick(teacher, split.report, monitor).measure(graft.network());
        json["report"] = {
            {"pictures", split.report.size()}, {"kl", reported.kl}, {"agreement", reported.agreement}};
      }
      write_json(run.calibration(), json);
      return;
    }
  }
}

}  // namespace

Calibration calibration_named(const std::string& name) {
  return value_named<Calibration>(kCalibrations, "calibration", name);
}

std::string to_string(Calibration calibration) {
  return name_of<Calibration>(kCalibrations, calibration);
}

Json asked_of(const GraftRequest& request) {
  return Json{
      {"sites", request.sites}, {"calibration", to_string(request.calibration)}, {"fold", request.fold}};
}

GraftResult graft_stage(const RunFolder& run, const GraftRequest& request, Monitor& monitor) {
  const Timer timer;
  const Plan plan = plan_from_json(read_json(run.plan(), "plan"), run.plan().string());
  const CapturedRun captured = captured_run(run);
  const Network teacher = captured.network(run, monitor);
  // Both change tensors by putting others in their place, so they may share those that stay.
  Graft graft(teacher);
  graft.set_functions(functions_of(plan), request.sites);
  calibrate(graft, teacher, captured, run, request.calibration, monitor);
  if (request.fold) fold(graft);
  save_graft(request.output.value_or(run.grafted()), graft);
  run.record("graft", asked_of(request), timer.seconds());
  return {graft.functions().size(), graft.network().sites().size()};
}

Json asked_of(const RealignRequest& request) {
  return Json{
      {"train", std::filesystem::absolute(request.train).lexically_normal().string()},
      {"pictures", request.pictures},
      {"start",
       request.start ? Json(std::filesystem::absolute(*request.start).lexically_normal().string()) : Json()},
      {"options", to_json(request.options)}};
}

RealignResult realign_stage(const RunFolder& run, const RealignRequest& request, Monitor& monitor) {
  request.options.validate();
  const Timer timer;
  const CapturedRun captured = captured_run(run);
  Graft student = load_graft(request.start.value_or(run.grafted()), {}, monitor);
  const auto pictures =
      needs_labels(request.options)
          ? labelled_pictures(request.train, request.classes, request.pictures, classifier(student.network()),
                              monitor)
          : unlabelled_pictures(request.train, request.pictures, request.options.seed, monitor);
  const PictureSplit split = split_as_recorded(pictures, run.asked("split"), request.options.held_out);
  std::optional<Network> teacher;
  if (needs_teacher(request.options)) teacher = captured.network(run, monitor);
  RealignResult result = realign(student, teacher ? &*teacher : nullptr, split, request.options,
                                 request.output.value_or(run.realigned()), request.restart, monitor);
  run.record(request.options.mode == RealignMode::kConstants ? "constants" : "realign", asked_of(request),
             timer.seconds());
  return result;
}

}  // namespace normgraft
