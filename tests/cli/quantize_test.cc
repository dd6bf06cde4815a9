#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "command_line.h"
#include "normgraft/core/files.h"
#include "normgraft/models/model_folder.h"
#include "support/small_model.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::Outcome;
using testing::run_program;
using testing::TemporaryFolder;

/// A small model with a preprocessing that is not the usual one, and pictures.
struct ModelAndPictures {
  ModelAndPictures() {
    const Network usual = testing::small_vit();
    Preprocessing p = usual.preprocessing();
    p.mean = {0.5F, 0.4F, 0.3F};
    p.std = {0.5F, 0.25F, 0.2F};
    save_model(model(), make_vit(testing::small_vit_config(), p, usual.tensors()));
    testing::write_small_pictures(pictures(), 3, 8);
  }
  std::string path(const std::string& name) const { return (folder / name).string(); }
  std::string model() const { return path("model"); }
  std::string pictures() const { return path("pictures"); }

  TemporaryFolder folder;
};

TEST(QuantizeCommand, WritesAFolderThatEvalAndInspectTakeLikeAnyModel) {
  const ModelAndPictures at;
  const Outcome made = run_program({"quantize", at.model(), "--data", at.pictures(), "-o", at.path("whole")});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_NE(made.out.find("w8a8, stream int16"), std::string::npos) << made.out;
  const Outcome judged =
      run_program({"eval", at.path("whole"), "--data", at.pictures(), "--teacher", at.model(), "--json"});
  ASSERT_EQ(judged.code, 0) << judged.err;
  EXPECT_LT(Json::parse(judged.out)["kl"].get<double>(), 0.01);
  const Outcome other = run_program({"eval", at.model(), "--data", at.pictures(), "--teacher",
                                     at.path("whole"), "--under", "blur", "--json"});
  ASSERT_EQ(other.code, 0) << other.err;
  EXPECT_LT(Json::parse(other.out)["under"]["blur"]["kl"].get<double>(), 0.02);
  const Outcome shown = run_program({"inspect", at.path("whole"), "--json"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  const Json json = Json::parse(shown.out);
  EXPECT_EQ(json["buffers"]["stream"]["bits"], 16);
  EXPECT_EQ(json["buffers"]["blocks.0.norm1"]["bits"], 8);
  EXPECT_EQ(json["sites"].size(), 5U);
  EXPECT_GT(json["largest_sums"]["blocks.1.mlp.fc1"].get<int64_t>(), 1000);
  EXPECT_GT(json["bytes_of_tensors"].get<int64_t>(), 10000);
}

TEST(QuantizeCommand, CostCountsTheOperationsOfItsFolder) {
  const ModelAndPictures at;
  ASSERT_EQ(run_program({"quantize", at.model(), "--data", at.pictures(), "-o", at.path("whole")}).code, 0);
  const Outcome counted = run_program({"cost", at.path("whole"), "--json"});
  ASSERT_EQ(counted.code, 0) << counted.err;
  const Json json = Json::parse(counted.out);
  EXPECT_EQ(json["norm_sites"]["operations"]["root"], json["all"]["operations"]["root"]);
  EXPECT_GT(json["norm_sites"]["operations"]["root"].get<int64_t>(), 0);
  EXPECT_FALSE(json["norm_sites"]["operations"].contains("multiply-add 8x8"));
  EXPECT_GT(json["all"]["operations"]["multiply-add 8x8"].get<int64_t>(), 1000);
  EXPECT_GT(json["all"]["bytes"].get<int64_t>(), json["norm_sites"]["bytes"].get<int64_t>());
  EXPECT_NE(run_program({"cost", at.path("whole")}).out.find("M root"), std::string::npos);
  const Outcome on = run_program({"cost", at.path("whole"), "--accelerator", "npu"});
  EXPECT_EQ(on.code, 2);
  EXPECT_NE(on.err.find("a network of integers, expected a model of floats"), std::string::npos) << on.err;
}

TEST(QuantizeCommand, EvalInIntegersJudgesWhatItWrites) {
  const ModelAndPictures at;
  const std::vector<std::string> judge = {"--data", at.pictures(), "--teacher", at.model(), "--json"};
  ASSERT_EQ(run_program({"quantize", at.model(), "--data", at.pictures(), "-o", at.path("whole")}).code, 0);
  const auto kl_of = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), judge.begin(), judge.end());
    const Outcome judged = run_program(arguments);
    EXPECT_EQ(judged.code, 0) << judged.err;
    EXPECT_EQ(judged.err.find("floats rounded"), std::string::npos) << judged.err;
    return Json::parse(judged.out)["kl"].get<double>();
  };
  EXPECT_NEAR(kl_of({"eval", at.model(), "--arithmetic", "w8a8", "--calibration", at.pictures()}),
              kl_of({"eval", at.path("whole")}), 1e-8);
}

TEST(QuantizeCommand, EvalInIntegersSaysWhereFloatsAreRoundedInTheirPlace) {
  const ModelAndPictures at;
  testing::write_small_pictures(at.path("few"), 3, 1);
  const Outcome judged = run_program(
      {"eval", at.model(), "--data", at.pictures(), "--arithmetic", "w8a8", "--calibration", at.path("few")});
  ASSERT_EQ(judged.code, 0) << judged.err;
  EXPECT_NE(judged.err.find("floats rounded in place of whole numbers: 3 pictures to choose ranges by, "
                            "expected at least 16"),
            std::string::npos)
      << judged.err;
}

TEST(QuantizeCommand, KeepsTheBitsThatAreAskedFor) {
  const ModelAndPictures at;
  const Outcome made = run_program({"quantize", at.model(), "--data", at.pictures(), "-o", at.path("whole"),
                                    "--activations", "16", "--stream", "8"});
  ASSERT_EQ(made.code, 0) << made.err;
  const Json json = Json::parse(run_program({"inspect", at.path("whole"), "--json"}).out);
  EXPECT_EQ(json["buffers"]["stream"]["bits"], 8);
  EXPECT_EQ(json["buffers"]["blocks.0.norm1"]["bits"], 16);
  EXPECT_EQ(json["buffers"]["blocks.0.attn.qkv"]["bits"], 8);
}

TEST(QuantizeCommand, RefusesInOneLineAndWritesNothing) {
  const ModelAndPictures at;
  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& word) {
    const Outcome outcome = run_program(arguments);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_NE(outcome.err.find(word), std::string::npos) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(at.path("whole")));
  };
  testing::write_small_pictures(at.path("few"), 3, 5);
  refused({"quantize", at.model(), "--data", at.path("few"), "-o", at.path("whole")},
          "15 pictures to choose ranges by, expected at least 16");
  refused({"quantize", at.model(), "--data", at.pictures(), "-o", at.path("whole"), "--weights", "4"},
          "--weights");
  save_model(at.path("features"), testing::small_vit_without_classes());
  refused({"quantize", at.path("features"), "--data", at.pictures(), "-o", at.path("whole")}, "has no head");
}

TEST(QuantizeCommand, ItsFolderHasAnArithmeticOfItsOwn) {
  const ModelAndPictures at;
  ASSERT_EQ(run_program({"quantize", at.model(), "--data", at.pictures(), "-o", at.path("whole")}).code, 0);
  const Outcome outcome =
      run_program({"eval", at.path("whole"), "--data", at.pictures(), "--arithmetic", "bfloat16"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("expected no --arithmetic"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace normgraft
