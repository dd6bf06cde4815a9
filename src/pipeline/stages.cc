#include "normgraft/pipeline/stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "network_work.h"
#include "normgraft/capture/capture.h"
#include "normgraft/capture/pairs.h"
#include "normgraft/choice/within.h"
#include "normgraft/core/names.h"
#include "normgraft/core/require.h"
#include "normgraft/core/timer.h"
#include "normgraft/data/loader.h"
#include "normgraft/graft/graft.h"
#include "normgraft/graft/yardstick.h"
#include "normgraft/models/model_folder.h"
#include "normgraft/report/report.h"
#include "pictures.h"
#include "run_network.h"

namespace normgraft {
namespace {

constexpr std::array<Named<Carrier>, 3> kCarriers = {
    {{"none", Carrier::kNone}, {"mean", Carrier::kMean}, {"channel", Carrier::kChannel}}};

/// The folds of the pictures of a split, by their position in the list of all: the parts one after another.
Fold fold_at(const PictureSplit& split, int64_t position) {
  const auto fit = static_cast<int64_t>(split.fit.size()), choose = static_cast<int64_t>(split.choose.size());
  if (position < fit) return fit_fold(position);
  return position < fit + choose ? Fold::kChoose : Fold::kReport;
}

std::vector<Picture> all_parts(const PictureSplit& split) {
  std::vector<Picture> all = split.fit;
  all.insert(all.end(), split.choose.begin(), split.choose.end());
  all.insert(all.end(), split.report.begin(), split.report.end());
  return all;
}

}  // namespace

Carrier carrier_named(const std::string& name) {
  return value_named<Carrier>(kCarriers, "carrier", name);
}

std::string to_string(Carrier carrier) {
  return name_of<Carrier>(kCarriers, carrier);
}

Json asked_of(const CaptureRequest& request) {
  Json json{{"model", std::filesystem::absolute(request.model).lexically_normal().string()},
            {"data", std::filesystem::absolute(request.data).lexically_normal().string()},
            {"pictures", request.pictures},
            {"bins", request.options.bins},
            {"weights", to_string(request.options.pairs.weights)},
            {"label_samples", request.options.pairs.probes},
            {"carrier", request.carrier ? Json(to_string(*request.carrier)) : Json()},
            {"r_units", request.r_units ? Json(*request.r_units) : Json()},
            {"seed", request.seed},
            {"model_options", model_options_json(request.model_options)}};
  // Said where it is asked for, so that runs of versions before it are gone on with.
  if (request.mean_ratio != kMeanRatio) json["mean_ratio"] = request.mean_ratio;
  return json;
}

Mappings capture_stage(const RunFolder& run, const CaptureRequest& request, Monitor& monitor) {
  request.options.validate();
  require_within("capture", "mean ratio", request.mean_ratio, kLeastMeanRatio, kMostMeanRatio);
  require_within("capture", "r units", request.r_units.value_or(0), int64_t{0}, int64_t{4096});
  const Timer timer;
  const PictureSplit split =
      split_pictures(unlabelled_pictures(request.data, request.pictures, request.seed, monitor));
  const Weights weights = request.options.pairs.weights;
  Network network = load_model(request.model, request.model_options, monitor);
  check_weights(network, weights, "capture");
  monitor.notice(fmt::format("capture: {} pictures to fit to, {} to choose by, {} to report on",
                             split.fit.size(), split.choose.size(), split.report.size()));
  const Carrier carrier = request.carrier.value_or(best_carrier(network));
  monitor.notice(fmt::format("capture: the stream carries the spread of a token in: {}", to_string(carrier)));
  prepare_network(network, carrier, request, split.fit, monitor);
  const int64_t batch = pairs_batch(network, weights);
  monitor.notice(fmt::format("capture: batches of {} pictures, about {} MiB", batch,
                             pairs_bytes(network, weights, batch) >> 20));
  const std::vector<Picture> pictures = all_parts(split);
  Loader loader = evaluation_loader(network.preprocessing(), pictures, batch, monitor);
  const auto fold = [&](int64_t position) { return fold_at(split, position); };
  Mappings mappings =
      capture(network, loader, static_cast<int64_t>(pictures.size()), fold, request.options, monitor);
  write_mappings(run.mappings(), mappings);
  record_network(run, carrier, network);
  run.note("carrier", to_string(carrier));
  run.note("split", to_json(split));
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
  return to_json(options);
}

Json asked_of(const SelectRequest& request) {
  Json asked{{"strategy", request.strategy}};
  if (request.strategy == "within") asked["within"] = request.within;
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

namespace {

Plan within(const RunFolder& run, const Fronts& fronts, double distance, Monitor& monitor) {
  const Mappings mappings = read_mappings(run.mappings());
  const CapturedRun captured = captured_run(run);
  Network teacher = captured.network(run, monitor);
  if (teacher.classes() < 2) {
    monitor.notice(
        "select: the model tells fewer than two classes apart, so nothing can be measured in nats; the "
        "distance is one of R^2, averaged over the sites");
    return predict_within(fronts, mappings, distance);
  }
  const Yardstick yardstick(teacher, captured.pictures.judges(), monitor);
  return choose_within(fronts, mappings, std::move(teacher), yardstick, distance, monitor);
}

}  // namespace

Plan select_stage(const RunFolder& run, const SelectRequest& request, Monitor& monitor) {
  const Timer timer;
  const Fronts fronts = fronts_from_json(read_json(run.fronts(), "fronts"), run.fronts().string());
  Plan plan;
  if (request.strategy == "budget") {
    request.options.validate();
    const Profile profile = load_profile(request.profile.empty() ? fronts.options.profile : request.profile);
    const CapturedRun captured = captured_run(run);
    Network teacher = captured.network(run, monitor);
    const Yardstick yardstick(teacher, captured.pictures.judges(), monitor);
    Choice choice = choose_plan(fronts, read_mappings(run.mappings()), std::move(teacher), profile, yardstick,
                                request.options, monitor);
    write_json(run.choice(), to_json(choice));
    plan = std::move(choice.plan);
  } else {
    plan = request.strategy == "within" ? within(run, fronts, request.within, monitor)
                                        : select_plan(fronts, request.strategy);
    std::filesystem::remove(run.choice());
  }
  write_json(run.plan(), to_json(plan));
  run.record("select", asked_of(request), timer.seconds());
  return plan;
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
  if (std::filesystem::exists(run.grafted())) {
    input.on_accelerator =
        cost_on(load_accelerator(kDefaultAccelerator), load_graft(run.grafted(), {}, silent_monitor()));
  }
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

}  // namespace normgraft
