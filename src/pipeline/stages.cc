#include "normgraft/pipeline/stages.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

#include "network.h"
#include "normgraft/core/shuffle.h"
#include "normgraft/core/timer.h"
#include "normgraft/data/loader.h"
#include "normgraft/graft/calibrate.h"
#include "normgraft/graft/sequential.h"
#include "normgraft/report/report.h"

namespace normgraft {
namespace {

constexpr size_t kMostHeldOut = 128;  ///< calibration pictures kept for judging

/// The pictures of a tree in a seeded random order, the first `count` of them (0: all).
std::vector<Picture> some_pictures(std::vector<Picture> pictures, int64_t count, uint64_t seed) {
  shuffle(pictures, Random({seed, 0x9ac7}));
  if (count > 0 && static_cast<size_t>(count) < pictures.size()) pictures.resize(static_cast<size_t>(count));
  return pictures;
}

std::vector<Picture> labelled_pictures(const Path& data, const std::optional<Path>& classes, int64_t count,
                                       const VitConfig& config) {
  std::optional<ClassList> list;
  if (classes) list = read_class_list(*classes);
  const PictureFolder folder = open_picture_folder(data, list ? &*list : nullptr);
  const auto folders = static_cast<int64_t>(folder.classes.size());
  if (!list && config.classes != folders) {
    throw InputError(
        fmt::format("{} holds {} classes and the model has {}: expected a class list (--classes) or a "
                    "folder for each class",
                    data.string(), folders, config.classes));
  }
  return count > 0 ? some_pictures(folder.pictures, count, 1) : folder.pictures;
}

Loader evaluation_loader(const Vit& vit, std::vector<Picture> pictures, int64_t batch, Monitor& monitor) {
  const Preprocessing& p = vit.preprocessing();
  LoaderOptions options;
  options.batch = batch;
  return Loader(std::move(pictures), evaluation_transform(p), p.height, p.width, options, monitor);
}

Json vit_options_json(const VitOptions& options) {
  Json json = Json::object();
  if (options.heads) json["heads"] = *options.heads;
  if (options.eps) json["eps"] = *options.eps;
  if (options.activation) json["activation"] = *options.activation;
  return json;
}

VitOptions vit_options_from(const Json& json) {
  VitOptions options;
  if (json.contains("heads")) options.heads = json["heads"].get<int64_t>();
  if (json.contains("eps")) options.eps = json["eps"].get<double>();
  if (json.contains("activation")) options.activation = json["activation"].get<std::string>();
  return options;
}

/// The model and the pictures that capture was asked for.
CaptureRequest capture_request(const RunFolder& run) {
  CaptureRequest request;
  request.model = run.text("capture", "model");
  request.data = run.text("capture", "data");
  const Json asked = run.asked("capture");
  request.pictures = asked.value("pictures", int64_t{0});
  request.seed = asked.value("seed", uint64_t{1});
  request.prepare = asked.value("prepare", false);
  request.options.pairs.weights = weights_named(asked.value("weights", "none"));
  request.options.pairs.probes = asked.value("label_samples", request.options.pairs.probes);
  if (asked.contains("vit")) request.vit = vit_options_from(asked["vit"]);
  return request;
}

/// The model and the pictures of a run's calibration, in their random order.
struct Calibration {
  CaptureRequest request;
  Vit teacher;
  std::vector<Picture> pictures;

  PictureSplit split() const {
    return keep_apart(pictures, std::clamp<size_t>(pictures.size() * 3 / 20, 1, kMostHeldOut));
  }
};

Calibration calibration_of(const RunFolder& run, Monitor& monitor) {
  CaptureRequest request = capture_request(run);
  Vit teacher = load_network(run, request, monitor);
  auto pictures = some_pictures(open_picture_folder(request.data).pictures, request.pictures, request.seed);
  return {std::move(request), std::move(teacher), std::move(pictures)};
}

Functions functions_of(const Plan& plan) {
  Functions functions;
  for (const PlanEntry& entry : plan.entries) functions.emplace(entry.site, entry.expression);
  return functions;
}

Json to_json(const Distance& before, const Distance& after, double seconds) {
  return {{"kl_before", before.kl},
          {"kl_after", after.kl},
          {"agreement_before", before.agreement},
          {"agreement_after", after.agreement},
          {"seconds", seconds}};
}

Json calibration_json(size_t pictures, size_t held_out, const std::optional<WriterStep>& writers,
                      const std::vector<SequentialStep>& steps) {
  Json list = Json::array();
  for (const SequentialStep& step : steps) {
    list.push_back({{"sites", step.sites}, {"damping", step.damping}});
    list.back().update(to_json(step.before, step.after, step.seconds));
  }
  Json json{{"version", 1}, {"pictures", pictures}, {"held_out", held_out}, {"steps", list}};
  if (writers) json["writers"] = to_json(writers->before, writers->after, writers->seconds);
  return json;
}

}  // namespace

Json asked_of(const CaptureRequest& request) {
  return Json{{"model", std::filesystem::absolute(request.model).lexically_normal().string()},
              {"data", std::filesystem::absolute(request.data).lexically_normal().string()},
              {"pictures", request.pictures},
              {"bins", request.options.bins},
              {"weights", to_string(request.options.pairs.weights)},
              {"label_samples", request.options.pairs.probes},
              {"prepare", request.prepare},
              {"seed", request.seed},
              {"vit", vit_options_json(request.vit)}};
}

Mappings capture_stage(const RunFolder& run, const CaptureRequest& request, Monitor& monitor) {
  request.options.validate();
  const Timer timer;
  const auto pictures =
      some_pictures(open_picture_folder(request.data).pictures, request.pictures, request.seed);
  const Vit vit = prepare_network(request, pictures, monitor);
  const int64_t batch = pairs_batch(vit, request.options.pairs.weights);
  monitor.notice(fmt::format("capture: batches of {} pictures, about {} MiB", batch,
                             pairs_bytes(vit, request.options.pairs.weights, batch) >> 20));
  Loader loader = evaluation_loader(vit, pictures, batch, monitor);
  CaptureOptions options = request.options;
  options.carried = carried_ratio(request, vit);
  Mappings mappings = capture(vit, loader, static_cast<int64_t>(pictures.size()), options, monitor);
  write_mappings(run.mappings(), mappings);
  record_network(run, request, vit);
  run.record("capture", asked_of(request), timer.seconds());
  return mappings;
}

Fronts evolve_stage(const RunFolder& run, const EvolveOptions& options, Monitor& monitor) {
  options.validate();
  const Mappings mappings = read_mappings(run.mappings());
  Fronts fronts = evolve(mappings, options, monitor, run.evolving());
  write_json(run.fronts(), to_json(fronts));
  std::filesystem::remove_all(run.evolving());
  run.record("evolve", asked_of(options), fronts.seconds);
  return fronts;
}

Json asked_of(const EvolveOptions& options) {
  Fronts fronts;
  fronts.options = options;
  return to_json(fronts).at("options");
}

Json asked_of(const SelectRequest& request) {
  Json asked{{"strategy", request.strategy}};
  if (request.strategy == "budget") {
    const ChoiceOptions& o = request.options;
    asked.update(Json{{"budget", o.budget ? Json(*o.budget) : Json()},
                      {"profile", request.profile},
                      {"pictures", o.pictures},
                      {"trials", o.trials},
                      {"keep", o.keep}});
  }
  return asked;
}

Plan select_stage(const RunFolder& run, const SelectRequest& request, Monitor& monitor) {
  const Timer timer;
  const Fronts fronts = fronts_from_json(read_json(run.fronts(), "fronts"), run.fronts().string());
  Plan plan;
  if (request.strategy == "budget") {
    request.options.validate();
    const Profile profile = load_profile(request.profile);
    Calibration calibration = calibration_of(run, monitor);
    const Yardstick yardstick(calibration.teacher, calibration.split().apart, monitor);
    Choice choice = choose_plan(fronts, read_mappings(run.mappings()), std::move(calibration.teacher),
                                profile, yardstick, request.options, monitor);
    write_json(run.choice(), to_json(choice));
    plan = std::move(choice.plan);
  } else {
    plan = select_plan(fronts, request.strategy);
    std::filesystem::remove(run.choice());
  }
  write_json(run.plan(), to_json(plan));
  run.record("select", asked_of(request), timer.seconds());
  return plan;
}

Json asked_of(const GraftRequest& request) {
  return Json{{"sites", request.sites}, {"calibration", request.calibration}, {"fold", request.fold}};
}

Graft graft_stage(const RunFolder& run, const GraftRequest& request, Monitor& monitor) {
  const std::vector<std::string> known = {"none", "affine", "sequential"};
  if (std::find(known.begin(), known.end(), request.calibration) == known.end()) {
    throw InputError(
        fmt::format("unknown calibration \"{}\", expected {}", request.calibration, fmt::join(known, ", ")));
  }
  const Timer timer;
  const Plan plan = plan_from_json(read_json(run.plan(), "plan"), run.plan().string());
  const Calibration calibration = calibration_of(run, monitor);
  Graft graft(load_network(run, calibration.request, silent_monitor()));
  apply_functions(graft, functions_of(plan), request.sites);

  if (request.calibration == "affine") {
    const PairOptions& pairs = calibration.request.options.pairs;
    Loader loader = evaluation_loader(calibration.teacher, calibration.pictures,
                                      pairs_batch(calibration.teacher, pairs.weights), monitor);
    calibrate_affine(graft, calibration.teacher, loader, static_cast<int64_t>(calibration.pictures.size()),
                     pairs, monitor);
  } else if (request.calibration == "sequential") {
    const auto [fitted, held_out] = calibration.split();
    const Yardstick yardstick(calibration.teacher, held_out, monitor);
    std::optional<WriterStep> writers;
    if (calibration.request.prepare)
      writers = refit_writers(graft, calibration.teacher, fitted, yardstick, monitor);
    const auto steps = calibrate_sequential(graft, calibration.teacher, fitted, yardstick, {}, monitor);
    write_json(run.calibration(), calibration_json(fitted.size(), held_out.size(), writers, steps));
  }
  if (request.fold) fold(graft);
  save_graft(request.output.value_or(run.grafted()), graft);
  run.record("graft", asked_of(request), timer.seconds());
  return graft;
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
  const CaptureRequest captured = capture_request(run);
  Graft student = load_graft(request.start.value_or(run.grafted()), {}, monitor);
  const auto pictures =
      needs_labels(request.options)
          ? labelled_pictures(request.train, request.classes, request.pictures, student.vit().config())
          : some_pictures(open_picture_folder(request.train).pictures, request.pictures,
                          request.options.seed);
  std::optional<Vit> teacher;
  if (needs_teacher(request.options)) teacher = load_network(run, captured, silent_monitor());
  const RealignResult result = realign(student, teacher ? &*teacher : nullptr, pictures, request.options,
                                       request.output.value_or(run.realigned()), request.restart, monitor);
  run.record(request.options.mode == RealignMode::kConstants ? "constants" : "realign", asked_of(request),
             timer.seconds());
  return result;
}

Evaluation eval_stage(const EvalRequest& request, Monitor& monitor) {
  const Graft model = load_graft(request.model, request.vit, monitor);
  std::optional<Vit> teacher;
  if (request.teacher) teacher = load_vit(*request.teacher, request.vit, monitor);
  const auto pictures =
      labelled_pictures(request.data, request.classes, request.pictures, model.vit().config());
  Loader loader = evaluation_loader(model.vit(), pictures, request.batch, monitor);
  return evaluate(model, teacher ? &*teacher : nullptr, loader, static_cast<int64_t>(pictures.size()),
                  request.conditions, monitor);
}

void report_stage(const RunFolder& run) {
  ReportInput input;
  input.run = run.read();
  input.mappings = read_mappings(run.mappings());
  input.fronts = fronts_from_json(read_json(run.fronts(), "fronts"), run.fronts().string());
  if (std::filesystem::exists(run.plan()))
    input.plan = plan_from_json(read_json(run.plan(), "plan"), run.plan().string());
  input.accuracy =
      std::filesystem::exists(run.accuracy()) ? read_json(run.accuracy(), "accuracy") : Json::array();
  if (std::filesystem::exists(run.choice())) input.choice = read_json(run.choice(), "choice");
  const Path metrics =
      (std::filesystem::exists(run.realigned()) ? run.realigned() : run.constants()) / "metrics.jsonl";
  if (std::filesystem::exists(metrics)) {
    std::istringstream lines(read_file(metrics, "metrics"));
    for (std::string line; std::getline(lines, line);) {
      Json epoch = Json::parse(line, nullptr, false);
      if (epoch.is_discarded()) {
        throw InputError(
            fmt::format("metrics {}: line {} is not JSON", metrics.string(), input.epochs.size() + 1));
      }
      input.epochs.push_back(std::move(epoch));
    }
  }
  write_atomically(run.report(), render_report(input));
}

std::vector<SiteShape> site_shapes(const Vit& vit) {
  std::vector<SiteShape> shapes;
  for (const NormSite& site : vit.sites()) {
    const int64_t tokens = site.name == "fc_norm" ? 1 : vit.tokens();
    shapes.push_back({site.name, tokens, vit.config().channels});
  }
  return shapes;
}

}  // namespace normgraft
