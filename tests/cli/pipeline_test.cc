#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>

#include "command_line.h"
#include "normgraft/core/files.h"
#include "normgraft/graft/graft.h"
#include "support/small_model.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::Outcome;
using testing::run_program;
using testing::TemporaryFolder;

Json run_json(std::vector<std::string> arguments) {
  arguments.emplace_back("--json");
  const Outcome outcome = run_program(arguments);
  EXPECT_EQ(outcome.code, 0) << arguments[0] << ": " << outcome.err;
  return outcome.code == 0 ? Json::parse(outcome.out) : Json();
}

std::vector<std::string> run_command(const TemporaryFolder& folder, const std::string& out) {
  return {"run",
          folder / "model",
          "--data",
          folder / "pictures",
          "--train",
          folder / "pictures",
          "--val",
          folder / "pictures",
          "-o",
          folder / out,
          "--population",
          "30",
          "--generations",
          "3",
          "--seeds",
          "1",
          "--epochs",
          "2"};
}

TEST(Pipeline, RunsEveryStageAndAnswersInJson) {
  const TemporaryFolder folder;
  save_model(folder / "model", testing::small_vit());
  testing::write_small_pictures(folder / "pictures", 3, 12);
  const std::string model = folder / "model", pictures = folder / "pictures", run = folder / "run";

  const Json described = run_json({"inspect", model});
  EXPECT_EQ(described.at("sites").size(), 5U);
  EXPECT_EQ(described.at("parameters"), testing::small_vit().parameter_count());

  const Json captured = run_json({"capture", model, "--data", pictures, "-o", run});
  EXPECT_EQ(captured.at("sites")[0].at("pairs"), 36 * 17);

  const Json evolved = run_json({"evolve", run, "--population", "60", "--generations", "5", "--seeds", "1"});
  EXPECT_EQ(evolved.at("sites").size(), 5U);
  EXPECT_GT(evolved.at("mean_r2").get<double>(), 0.3);
  EXPECT_LE(evolved.at("mean_r2").get<double>(), evolved.at("mean_ceiling").get<double>() + 0.02);

  const Json selected = run_json({"select", run});
  EXPECT_EQ(selected.at("sites").size(), 5U);
  EXPECT_EQ(selected.at("strategy"), "within 0.01 nats");
  const Json nearest = run_json({"select", run, "--within", "0"}),
             any = run_json({"select", run, "--within", "1e6"});
  EXPECT_EQ(nearest.at("nearness").at("loss"), nearest.at("nearness").at("least_loss"));
  EXPECT_GT(nearest.at("nearness").at("cost"), any.at("nearness").at("cost"));
  run_json({"select", run});
  EXPECT_EQ(run_json({"graft", run, "--sites", "blocks.0.norm1,norm", "-o", folder / "two"}).at("replaced"),
            2);
  EXPECT_EQ(run_json({"graft", run}).at("replaced"), 5);

  const Json judged = run_json(
      {"eval", run + "/grafted", "--teacher", model, "--data", pictures, "--under", "contrast,blur"});
  for (const char* key : {"top1", "top5", "images", "images_per_second", "agreement", "kl"})
    EXPECT_TRUE(judged.contains(key));
  for (const char* condition : {"contrast", "blur"})
    EXPECT_TRUE(judged.at("under").at(condition).contains("kl"));
  EXPECT_GT(judged.at("kl").get<double>(), 0.0);
  EXPECT_EQ(judged.at("arithmetic"), "float32");
  const Json integers = run_json({"eval", run + "/grafted", "--teacher", model, "--data", pictures,
                                  "--arithmetic", "w8a8", "--stream", "8"});
  EXPECT_EQ(integers.at("arithmetic"), "w8a8");
  EXPECT_EQ(integers.at("stream"), 8);
  EXPECT_NE(integers.at("kl"), judged.at("kl"));

  const Json trained = run_json({"realign", run, "--train", pictures, "--epochs", "2"});
  for (const char* key : {"top1_before", "top1_after", "epochs", "images_per_second"})
    EXPECT_TRUE(trained.contains(key));
  EXPECT_EQ(trained.at("epochs"), 2);

  const Json cost = run_json({"cost", run + "/grafted"});
  EXPECT_GT(cost.at("telling").at("ops").get<double>(), 0.0);
  EXPECT_LT(cost.at("graft").at("bytes").get<double>(), cost.at("layernorm").at("bytes").get<double>());
  EXPECT_FALSE(cost.contains("accelerator"));
  const Json counted = run_json({"cost", run + "/grafted", "--accelerator", "npu"});
  EXPECT_EQ(counted.at("layernorm"), cost.at("layernorm"));
  const Json& on = counted.at("accelerator");
  EXPECT_EQ(on.at("description").at("name"), "npu");
  EXPECT_EQ(on.at("sites").size(), 5U);
  EXPECT_EQ(on.at("graft").at("norms").at("fused").at("bytes"),
            on.at("layernorm").at("norms").at("fused").at("bytes"));
  EXPECT_EQ(on.at("graft").at("products").at("fused").at("ops").get<double>(),
            on.at("layernorm").at("products").at("fused").at("ops").get<double>() +
                cost.at("telling").at("ops").get<double>());
  const std::string table = run_program({"cost", run + "/grafted", "--accelerator", "npu"}).out;
  for (const char* text :
       {"on npu: int8", "LayerNorm, fused with the addition", "graft, unfused", "blocks.1.norm2"})
    EXPECT_NE(table.find(text), std::string::npos) << text;
  EXPECT_EQ(run_program({"cost", model, "--accelerator", "npu"}).out.find("graft, unfused"),
            std::string::npos);

  EXPECT_EQ(run_json({"export", run + "/grafted", "-o", folder / "exported"}).at("target"), "torch");
  EXPECT_TRUE(std::filesystem::exists(folder / "exported/graft.py"));

  run_json({"report", run});
  const std::string page = read_file(run + "/report.html", "report");
  for (const char* text : {"blocks.0.norm1", "blocks.1.norm2", "norm", "on <code>small-fpga</code>"})
    EXPECT_NE(page.find(text), std::string::npos) << text;
}

TEST(Pipeline, CountsAndDrawsAreasWhereTheSearchDid) {
  const TemporaryFolder folder;
  save_model(folder / "model", testing::small_vit());
  testing::write_small_pictures(folder / "pictures", 3, 12);
  const std::string run = folder / "run";
  run_json({"run", folder / "model", "--data", folder / "pictures", "-o", run, "--population", "40",
            "--generations", "3", "--seeds", "1", "--profile", "ice40", "--strategy", "budget", "--trials",
            "2", "--staircase"});
  const Json choice = read_json(folder / "run/choice.json", "choice");
  EXPECT_EQ(choice.at("unit"), "LUT4");
  EXPECT_EQ(choice.at("cost_of"), "unit");
  double area = 0;
  const Json plan = read_json(folder / "run/plan.json", "plan");
  for (const Json& site : plan.at("sites")) area += site.at("cost").get<double>();
  EXPECT_NEAR(choice.at("plan").at("cost").get<double>(), area, 1e-6);
  const std::string page = read_file(folder / "run/report.html", "report");
  for (const char* text : {"area of all sites, LUT4", "Area of all norm sites, LUT4"})
    EXPECT_NE(page.find(text), std::string::npos) << text;
  EXPECT_EQ(page.find("FLOPs"), std::string::npos);

  const std::string within = run_program({"select", run, "--within", "0.1"}).out;
  EXPECT_TRUE(std::regex_search(within, std::regex("at a cost of [0-9.]+ LUT4;"))) << within;
  EXPECT_EQ(run_json({"select", run, "--strategy", "budget", "--trials", "0", "--profile", "flops"})
                .at("choice")
                .at("cost_of"),
            "picture");
}

TEST(Pipeline, GivesTheSameFrontsAndPlanForAnyNumberOfThreads) {
  const TemporaryFolder folder;
  save_model(folder / "model", testing::small_vit());
  testing::write_small_pictures(folder / "pictures", 3, 8);
  run_json({"capture", folder / "model", "--data", folder / "pictures", "-o", folder / "run"});
  std::string fronts[2], plans[2];
  for (int i = 0; i < 2; ++i) {
    run_json({"evolve", folder / "run", "--population", "40", "--generations", "4", "--seeds", "2",
              "--threads", i == 0 ? "1" : "3"});
    run_json({"select", folder / "run"});
    fronts[i] = read_file(folder / "run/fronts.json", "fronts");
    plans[i] = read_file(folder / "run/plan.json", "plan");
  }
  EXPECT_EQ(fronts[0], fronts[1]);
  EXPECT_EQ(plans[0], plans[1]);
}

TEST(Pipeline, CapturesWithAndWithoutWeightsAndRefusesOthers) {
  const TemporaryFolder folder;
  save_model(folder / "model", testing::small_vit());
  testing::write_small_pictures(folder / "pictures", 3, 8);
  const auto capture = [&](const std::string& weights) {
    return std::vector<std::string>{"capture", folder / "model", "--data",    folder / "pictures",
                                    "-o",      folder / weights, "--weights", weights};
  };
  const Json plain = run_json(capture("none")).at("sites").back();
  const Json weighted = run_json(capture("fisher")).at("sites").back();
  EXPECT_EQ(plain.at("effective_pairs"), plain.at("pairs"));
  EXPECT_LT(weighted.at("effective_pairs"), weighted.at("pairs"));
  EXPECT_EQ(plain.at("ceiling"), weighted.at("ceiling"));
  EXPECT_EQ(plain.at("weighted_ceiling"), plain.at("ceiling"));
  EXPECT_NE(weighted.at("weighted_ceiling"), weighted.at("ceiling"));
  EXPECT_EQ(run_program(capture("hessian")).code, 2);
}

TEST(Pipeline, GraftsOnANetworkWhoseTokensCarryTheirScaleAndLeavesNoneWhenAskedToLeaveItAsItIs) {
  const TemporaryFolder folder;
  save_model(folder / "model", testing::small_vit());
  testing::write_small_pictures(folder / "pictures", 3, 8);
  const std::string run = folder / "run", prepared = folder / "run/prepared";
  const std::vector<std::string> capture = {"capture", folder / "model", "--data", folder / "pictures", "-o",
                                            run,       "--carrier",      "mean"};
  run_json(capture);
  const Json same =
      run_json({"eval", prepared, "--data", folder / "pictures", "--teacher", folder / "model"});
  EXPECT_EQ(same.at("agreement"), 1.0);
  EXPECT_NEAR(same.at("kl").get<double>(), 0, 1e-5);

  run_json({"evolve", run, "--population", "30", "--generations", "2", "--seeds", "1"});
  run_json({"select", run});
  run_json({"graft", run});
  EXPECT_TRUE(read_json(folder / "run/calibration.json", "calibration").contains("writers"));
  const Graft graft = load_graft(folder / "run/grafted", {}, silent_monitor());
  for (size_t site = 0; site < graft.network().sites().size(); ++site) {
    EXPECT_TRUE(graft.drops_mean(site));
    const Tensor gamma = graft.network().tensors().at(graft.network().sites()[site].gamma);
    EXPECT_TRUE(at::equal(gamma, at::ones_like(gamma))) << site;
  }

  write_atomically(folder / "run/prepared/model.safetensors", "damaged");
  EXPECT_EQ(run_program({"graft", run}).code, 2);
  std::vector<std::string> as_it_is = capture;
  as_it_is.back() = "none";
  run_json(as_it_is);
  EXPECT_FALSE(std::filesystem::exists(folder / "run/prepared"));
  run_json({"evolve", run, "--population", "30", "--generations", "2", "--seeds", "1"});
  run_json({"select", run});
  run_json({"graft", run, "--calibrate", "none"});
  const Tensor original = testing::small_vit().tensors().at("blocks.0.mlp.fc2.weight");
  EXPECT_TRUE(at::equal(load_graft(folder / "run/grafted", {}, silent_monitor())
                            .network()
                            .tensors()
                            .at("blocks.0.mlp.fc2.weight"),
                        original));
}

TEST(Pipeline, ASearchKilledMidwayGoesOnToTheSameFronts) {
  const TemporaryFolder folder;
  save_model(folder / "model", testing::small_vit());
  testing::write_small_pictures(folder / "pictures", 3, 8);
  run_json({"capture", folder / "model", "--data", folder / "pictures", "-o", folder / "whole"});
  std::filesystem::create_directories(folder / "killed");
  for (const char* file : {"mappings.ngm", "run.json"}) {
    std::filesystem::copy_file(folder.path() / "whole" / file, folder.path() / "killed" / file);
  }
  const auto command = [&](const std::string& run) {
    return std::vector<std::string>{"evolve",        folder / run, "--population", "100",
                                    "--generations", "40",         "--seeds",      "2"};
  };
  run_json(command("whole"));
  testing::Circumstances kill;
  kill.kill_after_file = folder / "killed/evolving/blocks.0.norm1.0.cbor";
  kill.kill_after_milliseconds = 10;
  EXPECT_EQ(run_program(command("killed"), kill).code, 128 + 9);
  EXPECT_FALSE(std::filesystem::exists(folder / "killed/fronts.json"));
  run_json(command("killed"));
  EXPECT_EQ(read_file(folder / "whole/fronts.json", "fronts"),
            read_file(folder / "killed/fronts.json", "fronts"));
  EXPECT_FALSE(std::filesystem::exists(folder / "killed/evolving"));
}

TEST(Pipeline, RunDoesEverythingOnceAndOnlyWhatIsMissingAfterwards) {
  const TemporaryFolder folder;
  save_model(folder / "model", testing::small_vit());
  testing::write_small_pictures(folder / "pictures", 3, 12);
  const Json first = run_json(run_command(folder, "run"));
  ASSERT_EQ(first.at("accuracy").size(), 3U);
  EXPECT_EQ(first.at("accuracy")[0].at("stage"), "teacher");
  EXPECT_EQ(first.at("accuracy")[0].at("agreement"), 1.0);

  const auto written = std::filesystem::last_write_time(folder / "run/mappings.ngm");
  std::filesystem::remove(folder / "run/plan.json");
  const Json second = run_json(run_command(folder, "run"));
  EXPECT_EQ(std::filesystem::last_write_time(folder / "run/mappings.ngm"), written);
  EXPECT_TRUE(std::filesystem::exists(folder / "run/plan.json"));
  for (const char* key : {"top1", "agreement", "kl"}) {
    EXPECT_EQ(first.at("accuracy")[2].at(key), second.at("accuracy")[2].at(key)) << key;
  }
}

TEST(Pipeline, RunsOnThreeCalibrationPicturesAndKnowsEveryFigure) {
  const TemporaryFolder folder;
  save_model(folder / "model", testing::small_vit());
  testing::write_small_pictures(folder / "calibration", 3, 1);
  testing::write_small_pictures(folder / "val", 3, 4, 2);
  const Outcome outcome =
      run_program({"run", folder / "model", "--data", folder / "calibration", "--val", folder / "val", "-o",
                   folder / "run", "--population", "30", "--generations", "3", "--seeds", "1", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(Json::parse(outcome.out).at("accuracy").size(), 2U);
  for (const char* file : {"plan.json", "fronts.json", "calibration.json", "accuracy.json", "report.html"}) {
    const std::string text = read_file(Path(folder / "run") / file, "result");
    for (const char* unknown : {">nan<", " nan", "\"nan\"", ">NaN<", "-nan"}) {
      EXPECT_EQ(text.find(unknown), std::string::npos) << file << " has " << unknown;
    }
  }
}

TEST(Pipeline, RunRedoesWhatComesBehindAStageThatIsAskedForOtherwise) {
  const TemporaryFolder folder;
  save_model(folder / "model", testing::small_vit());
  testing::write_small_pictures(folder / "pictures", 3, 12);
  run_json(run_command(folder, "run"));
  auto command = run_command(folder, "run");
  *(std::find(command.begin(), command.end(), "--generations") + 1) = "4";
  const Outcome again = run_program(command);
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find("capture: done before"), std::string::npos) << again.err;
  for (const char* stage : {"evolve", "select", "graft", "realign"}) {
    EXPECT_EQ(again.err.find(std::string(stage) + ": done before"), std::string::npos) << stage;
  }
}

TEST(Pipeline, RunJudgesEveryStepOfTheStaircaseUnderAllConditions) {
  const TemporaryFolder folder;
  save_model(folder / "model", testing::small_vit());
  testing::write_small_pictures(folder / "pictures", 3, 12);
  auto command = run_command(folder, "run");
  for (const char* option :
       {"--strategy", "budget", "--keep", "auto", "--trials", "4", "--constants", "1", "--staircase"}) {
    command.push_back(option);
  }
  const Json accuracy = run_json(command).at("accuracy");
  const std::vector<std::string> steps = {"teacher",    "plain",     "weighted", "selected",
                                          "calibrated", "constants", "realigned"};
  ASSERT_EQ(accuracy.size(), steps.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(accuracy[i].at("stage"), steps[i]);
    for (const char* condition : {"contrast", "blur"}) {
      for (const char* figure : {"top1", "agreement", "kl"})
        EXPECT_TRUE(accuracy[i].at("under").at(condition).contains(figure));
    }
    for (const char* format : {"bfloat16", "w8a8, stream int16"}) {
      const Json& judged = accuracy[i].at("arithmetic").at(format);
      EXPECT_GT(judged.at("kl"), 0.0) << format;
      if (steps[i] == "teacher") {
        EXPECT_LT(judged.at("kl"), 0.1) << format;
      }
    }
  }
  for (size_t i = 3; i < steps.size(); ++i)
    EXPECT_GT(accuracy[i].at("seconds"), accuracy[i - 1].at("seconds")) << steps[i];
  const Json choice = Json::parse(read_file(folder / "run/choice.json", "choice"));
  EXPECT_EQ(choice.at("keep").size(), 4U);
  const std::string page = read_file(folder / "run/report.html", "report");
  EXPECT_NE(page.find("id=\"choice\""), std::string::npos);
  EXPECT_EQ(run_json(command).at("accuracy"), accuracy) << "nothing is done twice";
}

TEST(Pipeline, KilledInMidEpochAndRunAgainTrainsToTheSameBytes) {
  const TemporaryFolder folder;
  save_model(folder / "model", testing::small_vit());
  testing::write_small_pictures(folder / "pictures", 3, 60);
  run_json({"capture", folder / "model", "--data", folder / "pictures", "-o", folder / "run"});
  run_json({"evolve", folder / "run", "--population", "30", "--generations", "2", "--seeds", "1"});
  run_json({"select", folder / "run"});
  run_json({"graft", folder / "run"});
  const auto command = [&](const std::string& out) {
    return std::vector<std::string>{"realign",    folder / "run", "--train", folder / "pictures", "-o",
                                    folder / out, "--epochs",     "8",       "--batch",           "2"};
  };
  run_json(command("whole"));

  testing::Circumstances kill;
  kill.kill_after_file = folder / "killed/checkpoints/last.pt";
  kill.kill_after_milliseconds = 400;
  EXPECT_EQ(run_program(command("killed"), kill).code, 128 + 9);
  const std::string interrupted = read_file(folder / "killed/metrics.jsonl", "metrics");
  const auto epochs = std::count(interrupted.begin(), interrupted.end(), '\n');
  ASSERT_GE(epochs, 1);
  ASSERT_LT(epochs, 9);

  run_json(command("killed"));
  for (const char* file :
       {"model.safetensors", "functions.json", "last/model.safetensors", "last/functions.json"}) {
    EXPECT_EQ(read_file(folder.path() / "whole" / file, "file"),
              read_file(folder.path() / "killed" / file, "file"))
        << file;
  }
}

}  // namespace
}  // namespace normgraft
