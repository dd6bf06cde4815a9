#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

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

/// A small model with pictures, and a finished run on it.
class BadInput : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    save_model(model(), testing::small_vit());
    testing::write_small_pictures(pictures(), 3, 8);
    const std::vector<std::vector<std::string>> stages = {
        {"capture", model(), "--data", pictures(), "-o", run()},
        {"evolve", run(), "--population", "30", "--generations", "3", "--seeds", "1"},
        {"select", run()},
        {"graft", run()}};
    for (const auto& stage : stages) {
      const Outcome outcome = run_program(stage);
      ASSERT_EQ(outcome.code, 0) << stage[0] << ": " << outcome.err;
    }
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }

  static std::string path(const std::string& name) { return (*folder_ / name).string(); }
  static std::string model() { return path("model"); }
  static std::string pictures() { return path("pictures"); }
  static std::string run() { return path("run"); }

  /// A copy of the run folder to damage.
  static std::string copied_run(const std::string& name) {
    std::filesystem::copy(run(), path(name), std::filesystem::copy_options::recursive);
    return path(name);
  }

  static TemporaryFolder* folder_;
};
TemporaryFolder* BadInput::folder_ = nullptr;

size_t lines(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

void expect_refusal(const Outcome& outcome, const std::vector<std::string>& words) {
  EXPECT_EQ(outcome.code, 2) << outcome.err;
  EXPECT_EQ(lines(outcome.err), 1U) << outcome.err;
  EXPECT_TRUE(outcome.out.empty()) << outcome.out;
  for (const std::string& word : words)
    EXPECT_NE(outcome.err.find(word), std::string::npos) << word << " in " << outcome.err;
}

void write(const Path& path, const std::string& content) {
  write_atomically(path, content);
}

TEST_F(BadInput, AnUnknownCommandOrOptionIsRefusedInOneLine) {
  expect_refusal(run_program({"caputre"}), {"caputre"});
  expect_refusal(run_program({"evolve", run(), "--popluation", "3"}), {"popluation"});
  expect_refusal(run_program({"eval", model()}), {"--data"});
  expect_refusal(run_program({"eval", model(), "--data", pictures(), "--under", "blur,fog"}),
                 {"fog", "plain, contrast or blur"});
  expect_refusal(run_program({"eval", model(), "--data", pictures(), "--arithmetic", "int4"}),
                 {"int4", "w8a8, w8a16"});
  expect_refusal(run_program({"eval", model(), "--data", pictures(), "--stream", "12"}), {"--stream", "12"});
  expect_refusal(run_program({"eval", model(), "--data", pictures(), "--arithmetic", "w8a8", "--calibration",
                              path("nowhere")}),
                 {"nowhere"});
}

TEST_F(BadInput, AnErrorIsOneLineThoughANameInItHasTwo) {
  expect_refusal(run_program({"inspect", path("two\nlines")}), {"two"});
  expect_refusal(run_program({"evolve", run(), "--popluation\n3"}), {"popluation"});
}

TEST_F(BadInput, AMissingModelOrPictureFolderIsNamed) {
  expect_refusal(run_program({"inspect", path("nowhere")}), {"nowhere"});
  expect_refusal(run_program({"capture", model(), "--data", path("nowhere"), "-o", path("new-run")}),
                 {"nowhere"});
  EXPECT_FALSE(std::filesystem::exists(path("new-run")));
}

TEST_F(BadInput, AnEmptyFolderAndOneWithoutPicturesAreRefused) {
  std::filesystem::create_directories(path("empty"));
  write(path("no-pictures/class0/readme.txt"), "no picture");
  for (const char* data : {"empty", "no-pictures"}) {
    expect_refusal(run_program({"capture", model(), "--data", path(data), "-o", path("new-run")}), {data});
    expect_refusal(run_program({"eval", model(), "--data", path(data)}), {data});
  }
  expect_refusal(run_program({"inspect", path("empty")}), {"empty"});
  EXPECT_FALSE(std::filesystem::exists(path("new-run")));
}

TEST_F(BadInput, PicturesOfOtherClassesAskForAClassList) {
  testing::write_small_pictures(path("two-classes"), 2, 2);
  expect_refusal(run_program({"eval", model(), "--data", path("two-classes")}),
                 {"2 classes", "3", "--classes"});
}

TEST_F(BadInput, ACheckpointOfAnotherArchitectureNamesWhatIsMissing) {
  Tensors tensors;
  tensors["layer1.0.conv1.weight"] = at::zeros({4, 4, 3, 3});
  save_model(path("other"), testing::small_vit());
  std::filesystem::remove(path("other/model.safetensors"));
  std::string header = R"({"layer1.0.conv1.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string file(8, '\0');
  file[0] = static_cast<char>(header.size());
  write(path("other/model.safetensors"), file + header + std::string(4, '\0'));
  expect_refusal(run_program({"inspect", path("other")}), {"patch_embed.proj.weight"});
}

TEST_F(BadInput, ATruncatedCheckpointIsNamed) {
  std::filesystem::create_directories(path("cut"));
  std::filesystem::copy_file(path("model/config.json"), path("cut/config.json"));
  const std::string whole = read_file(path("model/model.safetensors"), "model");
  for (const size_t size : {size_t{0}, size_t{5}, size_t{100}, whole.size() - 1}) {
    write(path("cut/model.safetensors"), whole.substr(0, size));
    expect_refusal(run_program({"inspect", path("cut")}), {"model.safetensors"});
  }
}

TEST_F(BadInput, ADamagedRunFileIsNamedAndNothingIsWritten) {
  const std::string damaged = copied_run("damaged");
  std::filesystem::remove(damaged + "/fronts.json");
  const std::string mappings = read_file(damaged + "/mappings.ngm", "mappings");
  std::string flipped = mappings;
  flipped[mappings.size() / 2] = static_cast<char>(flipped[mappings.size() / 2] ^ 4);
  for (const std::string& content :
       {flipped, mappings.substr(0, mappings.size() / 2), std::string("hello"), std::string()}) {
    write(damaged + "/mappings.ngm", content);
    expect_refusal(run_program({"evolve", damaged}), {"mappings.ngm"});
    EXPECT_FALSE(std::filesystem::exists(damaged + "/fronts.json"));
  }
}

TEST_F(BadInput, EveryJsonOfARunIsRefusedWhenItIsNotWhatItShouldBe) {
  const std::string damaged = copied_run("damaged-json");
  const std::vector<std::pair<std::string, std::string>> files = {
      {"fronts.json", "select"}, {"plan.json", "graft"}, {"run.json", "graft"}};
  for (const auto& [file, command] : files) {
    const std::string whole = read_file(damaged + "/" + file, "file");
    Json newer = Json::parse(whole);
    newer["version"] = 99;
    for (const std::string& content :
         {whole.substr(0, whole.size() / 2), std::string("[1, 2]"), std::string("{}"), newer.dump()}) {
      write(damaged + "/" + file, content);
      expect_refusal(run_program({command, damaged}), {file});
    }
    write(damaged + "/" + file, newer.dump());
    expect_refusal(run_program({command, damaged}), {"version 99 is newer than"});
    write(damaged + "/" + file, whole);
  }
}

TEST_F(BadInput, AnExpressionThatDoesNotParseShowsItsColumn) {
  const std::string damaged = copied_run("bad-expression");
  Json plan = Json::parse(read_file(damaged + "/plan.json", "plan"));
  std::string text = plan.dump();
  const std::string key = "\"expression\":\"";
  const size_t start = text.find(key) + key.size();
  text.replace(start, text.find('"', start) - start, "2*tanhh(x)");
  write(damaged + "/plan.json", text);
  expect_refusal(run_program({"graft", damaged}), {"plan.json", "column 3", "tanhh"});
}

TEST_F(BadInput, APlanForOtherSitesIsRefused) {
  const std::string damaged = copied_run("other-sites");
  std::string text = read_file(damaged + "/plan.json", "plan");
  const size_t at = text.find("blocks.1.norm2");
  text.replace(at, 14, "blocks.9.norm2");
  write(damaged + "/plan.json", text);
  expect_refusal(run_program({"graft", damaged, "-o", path("other-graft")}), {"blocks.9.norm2"});
  EXPECT_FALSE(std::filesystem::exists(path("other-graft")));
  expect_refusal(run_program({"graft", run(), "--sites", "blocks.9.norm1", "-o", path("other-graft")}),
                 {"blocks.9.norm1"});
}

TEST_F(BadInput, UnknownNamesListWhatThereIs) {
  expect_refusal(run_program({"select", run(), "--strategy", "best"}), {"best", "knee", "min-error"});
  expect_refusal(run_program({"graft", run(), "--calibrate", "magic"}), {"magic", "affine", "sequential"});
  expect_refusal(run_program({"select", run(), "--strategy", "budget", "--budget", "-3"}), {"budget", "-3"});
  expect_refusal(run_program({"select", run(), "--within", "-1"}), {"within", "-1"});
  expect_refusal(run_program({"select", run(), "--strategy", "budget", "--keep", "some"}),
                 {"keep", "some", "auto"});
  expect_refusal(run_program({"evolve", run(), "--function-set", "all"}), {"all", "hardware", "paper"});
  expect_refusal(run_program({"evolve", run(), "--population", "1"}), {"population", "1"});
  expect_refusal(run_program({"realign", run(), "--train", pictures(), "--mode", "magic"}),
                 {"magic", "distill"});
  expect_refusal(run_program({"realign", run(), "--train", pictures(), "--epochs", "0"}), {"epochs", "0"});
  expect_refusal(run_program({"export", run() + "/grafted", "--to", "tape", "-o", path("tape")}),
                 {"tape", "torch"});
  expect_refusal(run_program({"cost", run() + "/grafted", "--profile", path("none.json")}), {"none.json"});
  expect_refusal(run_program({"cost", run() + "/grafted", "--profile", "ice40"}),
                 {"ice40", "profile of operations"});
}

TEST_F(BadInput, AnAcceleratorWithoutAFieldOrWithAWrongOrUnknownOneIsNamed) {
  const auto refuse = [](const std::string& accelerator, const std::vector<std::string>& words) {
    expect_refusal(run_program({"cost", run() + "/grafted", "--accelerator", accelerator}), words);
  };
  refuse("tpu", {"tpu", "small-fpga, microcontroller or npu"});
  refuse(path("none.json"), {"none.json"});
  const std::string file = path("board.json");
  const std::string rest =
      R"("elements": "int8", "stream_bits": 16, "clock_hz": 1e8, "lanes": 1, "vector_operations_per_second": 1e8,
         "matrix_operations_per_second": 1e9, "offchip_bytes_per_second": 1e9)";
  write(file, "{\"name\": \"board\", " + rest + "}");
  refuse(file, {"board.json", "buffer_bits is missing"});
  write(file, "{\"name\": \"board\", \"buffer_bits\": -1, " + rest + "}");
  refuse(file, {"board.json", "buffer_bits", "expected an integer from 0"});
  write(file, "{\"name\": \"board\", \"buffer_bits\": 1, \"price\": 2, " + rest + "}");
  refuse(file, {"board.json", "price", "unknown field"});
  write(file, "{\"name\": ");
  refuse(file, {"board.json"});
}

TEST_F(BadInput, ATruncatedPictureIsNamedAndSkippedAndTooManyAreAnError) {
  const std::string tree = path("many");
  testing::write_small_pictures(tree, 3, 50);
  write(tree + "/class0/7.png", read_file(tree + "/class0/7.png", "picture").substr(0, 300));
  const Outcome one = run_program({"eval", model(), "--data", tree, "--json"});
  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_NE(one.err.find("7.png"), std::string::npos) << one.err;
  EXPECT_EQ(Json::parse(one.out).at("images"), 149);
  for (const char* name : {"8.png", "9.png"}) write(tree + "/class0/" + name, "no picture");
  const Outcome three = run_program({"eval", model(), "--data", tree, "--json"});
  EXPECT_EQ(three.code, 2) << three.err;
  EXPECT_TRUE(three.out.empty());
}

TEST_F(BadInput, AFullDiskExitsWithOneAndKeepsEarlierResults) {
  const std::string full = copied_run("full-disk");
  const std::string fronts = read_file(full + "/fronts.json", "fronts");
  testing::Circumstances small_disk;
  small_disk.file_size_limit = 2000;
  const Outcome outcome =
      run_program({"evolve", full, "--population", "30", "--generations", "2", "--seeds", "1", "--seed", "9"},
                  small_disk);
  EXPECT_EQ(outcome.code, 1) << outcome.err;
  EXPECT_NE(outcome.err.find("cannot write"), std::string::npos) << outcome.err;
  EXPECT_EQ(read_file(full + "/fronts.json", "fronts"), fronts);
  for (const auto& entry : std::filesystem::directory_iterator(full)) {
    EXPECT_EQ(entry.path().string().find(".tmp"), std::string::npos) << entry.path();
  }
}

}  // namespace
}  // namespace normgraft
