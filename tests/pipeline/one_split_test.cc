#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "normgraft/data/procedural.h"
#include "normgraft/mapping/mapping.h"
#include "normgraft/pipeline/stages.h"
#include "support/temporary_folder.h"

// What is fitted, what is chosen and what is reported come from different pictures through all stages:
// replacing the content of one part changes what may look at it, and not a byte of anything else.

namespace normgraft {
namespace {

using testing::TemporaryFolder;

/// What the stages of one run left.
struct Results {
  Json split, calibration, choice;
  Mappings mappings;
  Fronts fronts;
  Plan plan;
  RealignResult trained;
  std::string carrier;    ///< bytes of the prepared network
  std::string graft;      ///< of the calibrated graft: its tensors and functions
  std::string constants;  ///< of the re-aligned one
};

std::string bytes_of(const Path& model) {
  std::string bytes = read_file(model / "model.safetensors", "model");
  if (std::filesystem::exists(model / "functions.json"))
    bytes += read_file(model / "functions.json", "functions");
  return bytes;
}

/// All stages on the pictures of `folder`/pictures.
Results run_stages(const Path& folder) {
  const RunFolder run(folder / "run");
  Results results;
  CaptureRequest capture;
  capture.model = Path(NORMGRAFT_SOURCE_DIR) / "examples" / "shapes_vit";
  capture.data = folder / "pictures";
  capture.options.bins = 128;
  results.mappings = capture_stage(run, capture, silent_monitor());
  EvolveOptions evolving;
  evolving.population = 24;
  evolving.generations = 3;
  evolving.islands = 1;
  evolving.seeds = 1;
  results.fronts = evolve_stage(run, evolving, silent_monitor());
  SelectRequest select{.strategy = "budget"};
  select.options.trials = 4;
  results.plan = select_stage(run, select, silent_monitor());
  graft_stage(run, {}, silent_monitor());
  RealignRequest constants;
  constants.train = folder / "pictures";
  constants.output = run.constants();
  constants.options = realign_defaults(RealignMode::kConstants);
  constants.options.epochs = 1;
  results.trained = realign_stage(run, constants, silent_monitor());
  results.split = run.asked("split");
  results.calibration = read_json(run.calibration(), "calibration");
  results.choice = read_json(run.choice(), "choice");
  results.carrier = bytes_of(run.prepared());
  results.graft = bytes_of(run.grafted());
  results.constants = bytes_of(run.constants());
  return results;
}

/// The same with other pictures in place of those of a part of a split; of no part: with the same.
Results results_of(const Json& split = {}, const std::string& part = {}) {
  const TemporaryFolder folder;
  write_procedural_set(folder / "pictures", 5, 1, silent_monitor());
  if (!part.empty()) {
    int picture = 0;
    for (const std::string name : split.at(part)) {
      write_png(folder.path() / "pictures" / name, draw_procedural(picture++ % kProceduralClasses, 7, 99));
    }
  }
  return run_stages(folder.path());
}

std::vector<std::string> chosen(const Plan& plan) {
  std::vector<std::string> texts;
  for (const PlanEntry& entry : plan.entries)
    texts.push_back(entry.site + " " + entry.expression.to_string());
  return texts;
}

/// Functions of all fronts with what they cost and the errors by which they were kept and may be chosen.
std::vector<std::string> found(const Fronts& fronts) {
  std::vector<std::string> lines;
  for (const SiteFront& site : fronts.sites) {
    for (const FrontPoint& point : site.front) {
      lines.push_back(
          Json{site.site, point.expression.to_string(), point.cost, point.error, point.choose_error}.dump());
    }
    for (const BaselinePoint& shape : site.baselines)
      lines.push_back(shape.name + shape.point.expression.to_string());
  }
  return lines;
}

/// Whether a fold's moments of all sites are the same bytes.
bool same_moments(const Mappings& a, const Mappings& b, Fold fold) {
  for (size_t i = 0; i < a.sites.size(); ++i) {
    if (a.sites[i].edges != b.sites[i].edges) return false;
    for (const Measure measure : {Measure::kCount, Measure::kWeight}) {
      const auto &left = a.sites[i].of(measure, fold), &right = b.sites[i].of(measure, fold);
      if (std::memcmp(left.data(), right.data(), left.size() * sizeof(Moments)) != 0) return false;
    }
  }
  return true;
}

class OneSplit : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { original_ = new Results(results_of()); }
  static void TearDownTestSuite() { delete original_; }

  static const Results& original() { return *original_; }

 private:
  static Results* original_;
};

Results* OneSplit::original_ = nullptr;

TEST_F(OneSplit, HasEveryPictureInOnePart) {
  std::set<std::string> names;
  for (const char* part : {"fit", "choose", "report"}) {
    for (const std::string name : original().split.at(part)) EXPECT_TRUE(names.insert(name).second) << name;
  }
  EXPECT_EQ(names.size(), 60U);
  EXPECT_EQ(original().split.at("choose").size(), 9U);
  EXPECT_EQ(original().split.at("report").size(), 3U);
  EXPECT_EQ(original().calibration.at("pictures"), 48);
  EXPECT_EQ(original().calibration.at("held_out"), 9);
  EXPECT_EQ(original().calibration.at("report").at("pictures"), 3);
  EXPECT_EQ(original().choice.at("pictures"), 9);
  EXPECT_EQ(original().trained.reported, 3);
}

TEST_F(OneSplit, FitsAndChoosesTheSameWhateverThePicturesToReportOnShow) {
  const Results other = results_of(original().split, "report");
  ASSERT_EQ(other.split, original().split);
  EXPECT_EQ(other.carrier, original().carrier);
  for (const Fold fold : {Fold::kFirstHalf, Fold::kSecondHalf, Fold::kChoose})
    EXPECT_TRUE(same_moments(other.mappings, original().mappings, fold));
  EXPECT_EQ(found(other.fronts), found(original().fronts));
  EXPECT_EQ(chosen(other.plan), chosen(original().plan));
  EXPECT_EQ(other.graft, original().graft);
  EXPECT_EQ(other.constants, original().constants);
  EXPECT_EQ(other.trained.best_epoch, original().trained.best_epoch);

  EXPECT_FALSE(same_moments(other.mappings, original().mappings, Fold::kReport));
  EXPECT_NE(other.plan.entries[0].held_out_r2, original().plan.entries[0].held_out_r2);
  EXPECT_NE(other.calibration.at("report").at("kl"), original().calibration.at("report").at("kl"));
  EXPECT_NE(other.trained.before.loss, original().trained.before.loss);
  EXPECT_NE(other.trained.after.loss, original().trained.after.loss);
}

TEST_F(OneSplit, FitsTheSameWhateverThePicturesToChooseByShow) {
  const Results other = results_of(original().split, "choose");
  ASSERT_EQ(other.split, original().split);
  EXPECT_EQ(other.carrier, original().carrier);
  for (const Fold fold : {Fold::kFirstHalf, Fold::kSecondHalf, Fold::kReport})
    EXPECT_TRUE(same_moments(other.mappings, original().mappings, fold));

  EXPECT_FALSE(same_moments(other.mappings, original().mappings, Fold::kChoose));
  EXPECT_NE(found(other.fronts), found(original().fronts));
  EXPECT_NE(other.calibration.at("steps")[0].at("kl_before"),
            original().calibration.at("steps")[0].at("kl_before"));
  EXPECT_NE(other.trained.epochs[0].held_out_loss, original().trained.epochs[0].held_out_loss);
}

TEST_F(OneSplit, FitsAnewWhereThePicturesToFitToShowSomethingElse) {
  const Results other = results_of(original().split, "fit");
  ASSERT_EQ(other.split, original().split);
  EXPECT_NE(other.carrier, original().carrier);
  for (const Fold fold : {Fold::kFirstHalf, Fold::kSecondHalf})
    EXPECT_FALSE(same_moments(other.mappings, original().mappings, fold));
  EXPECT_NE(other.graft, original().graft);
  EXPECT_NE(other.constants, original().constants);
}

TEST(Pictures, AreOthersForAnotherSeed) {
  const TemporaryFolder folder;
  write_procedural_set(folder / "pictures", 5, 1, silent_monitor());
  const auto split = [&](uint64_t seed) {
    const RunFolder run(folder / "run");
    CaptureRequest capture;
    capture.model = Path(NORMGRAFT_SOURCE_DIR) / "examples" / "shapes_vit";
    capture.data = folder / "pictures";
    capture.pictures = 8;
    capture.seed = seed;
    capture.options = {.bins = 64, .pairs = {.weights = Weights::kNone}};
    capture.carrier = Carrier::kNone;
    capture_stage(run, capture, silent_monitor());
    return run.asked("split");
  };
  const Json one = split(1);
  EXPECT_EQ(split(1), one);
  EXPECT_NE(split(2), one);
}

}  // namespace
}  // namespace normgraft
