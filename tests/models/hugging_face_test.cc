#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "network/fixtures.h"
#include "normgraft/models/model_folder.h"
#include "normgraft/network/safetensors.h"

// Model folders that Hugging Face's transformers writes, against what it computes of them
// (tests/oracle/hugging_face_variants.py).

namespace normgraft {
namespace {

using testing::input_error;
using testing::Listener;
using testing::relative_error;
using testing::TemporaryFolder;

bool succeeds(const std::string& python_arguments) {
  return std::system(fmt::format("/usr/bin/python3 {}", python_arguments).c_str()) == 0;
}

bool transformers_available() {
  static const bool available = succeeds(fmt::format(
      "-c 'import sys; sys.path.insert(0, \"{}/build/transformers\"); import transformers' 2>/dev/null",
      NORMGRAFT_SOURCE_DIR));
  return available;
}

class HuggingFace : public ::testing::Test {
 protected:
  static constexpr double kTolerance = 2e-5;  ///< of the largest output
  static constexpr int64_t kPictures = 3;

  static void SetUpTestSuite() {
    if (!transformers_available()) return;
    written_ = new TemporaryFolder();
    ASSERT_TRUE(succeeds(fmt::format("{}/tests/oracle/hugging_face_variants.py {} 2>/dev/null",
                                     NORMGRAFT_SOURCE_DIR, written_->path().string())));
  }
  static void TearDownTestSuite() {
    delete written_;
    written_ = nullptr;
  }
  void SetUp() override {
    if (!transformers_available())
      GTEST_SKIP() << "transformers is absent (scripts/install-dependencies.sh --tests)";
    std::filesystem::copy(written_->path(), folder_ / "models", std::filesystem::copy_options::recursive);
  }

  Path model(const std::string& name) const { return folder_ / "models" / name; }

  static Tensor read_floats(const Path& path, std::vector<int64_t> shape) {
    std::string bytes = read_file(path, "the output of transformers");
    return at::from_blob(bytes.data(), std::move(shape), at::kFloat).clone();
  }

  Network load(const std::string& name) { return load_model(model(name), {}, listener_); }

  Tensor answers(const Network& network, const std::string& name) const {
    const at::NoGradGuard no_grad;
    const Preprocessing& p = network.preprocessing();
    return network.forward(read_floats(model(name) / "input.f32", {kPictures, 3, p.height, p.width}));
  }

  void edit(const std::string& name, const std::string& file,
            const std::function<void(Json&)>& change) const {
    Json json = read_json(model(name) / file, "config");
    change(json);
    write_json(model(name) / file, json);
  }

  std::string refusal(const std::string& name) {
    return input_error([&] { load(name); });
  }

  TemporaryFolder folder_;
  Listener listener_;

 private:
  static TemporaryFolder* written_;
};

TemporaryFolder* HuggingFace::written_ = nullptr;

TEST_F(HuggingFace, ModelsGiveTheAnswersOfTransformersAndStaySoWhenSaved) {
  for (const char* name : {"vit", "vit-shards", "vit-pickle", "vit-tanh", "vit-without-bias", "vit-model",
                           "deit", "deit-teacher", "dinov2", "dinov2-swiglu"}) {
    SCOPED_TRACE(name);
    const Network network = load(name);
    const Tensor given = answers(network, name);
    EXPECT_LT(relative_error(given, read_floats(model(name) / "output.f32", given.sizes().vec())),
              kTolerance);
    save_model(folder_ / "saved", network);
    EXPECT_TRUE(at::equal(answers(load_model(folder_ / "saved", {}, listener_), name), given));
  }
}

TEST_F(HuggingFace, ConfigAnswersEveryQuestion) {
  for (const char* name : {"vit", "deit-teacher", "dinov2"}) load(name);
  for (const std::string& notice : listener_.notices)
    EXPECT_NE(notice.find("mask_token is left out"), std::string::npos) << notice;
}

TEST_F(HuggingFace, PoolerIsLeftOutAndSaidSo) {
  load("vit-model");
  EXPECT_TRUE(listener_.heard("the pooler behind the last norm is left out"));
}

TEST_F(HuggingFace, LabelsAreTheNamesOfTheClasses) {
  const VitConfig& config = *vit_config(load("vit"));
  ASSERT_EQ(config.class_names.size(), 7);
  EXPECT_EQ(config.class_names[3], "class 3");
  edit("vit", "config.json", [](Json& json) { json["id2label"].erase("3"); });
  EXPECT_TRUE(vit_config(load("vit"))->class_names.empty());
}

TEST_F(HuggingFace, PicturesAreAsThePreprocessorMakesThem) {
  const Preprocessing squashed = load("vit").preprocessing();
  EXPECT_EQ(squashed.crop_mode, "squash");
  EXPECT_EQ(squashed.crop_pct, 1);
  EXPECT_EQ(squashed.interpolation, Interpolation::kBilinear);
  EXPECT_EQ(squashed.mean, (std::array<float, 3>{0.5, 0.5, 0.5}));
  edit("vit", "preprocessor_config.json", [](Json& json) {
    json = {{"size", {{"shortest_edge", 32}}},
            {"crop_size", {{"height", 24}, {"width", 24}}},
            {"resample", 3},
            {"image_mean", {0.1, 0.2, 0.3}},
            {"do_normalize", true}};
  });
  const Preprocessing cut = load("vit").preprocessing();
  EXPECT_EQ(cut.crop_mode, "center");
  EXPECT_EQ(cut.crop_pct, 0.75);
  EXPECT_EQ(cut.interpolation, Interpolation::kBicubic);
  EXPECT_EQ(cut.mean, (std::array<float, 3>{0.1F, 0.2F, 0.3F}));
  edit("vit", "preprocessor_config.json", [](Json& json) {
    json = {{"size", 32}, {"crop_size", 24}, {"do_normalize", false}};
  });
  const Preprocessing both = load("vit").preprocessing();
  EXPECT_EQ(both.crop_mode, "squash") << "a size of one number is that of both sides";
  EXPECT_EQ(both.crop_pct, 0.75);
  EXPECT_EQ(both.std, (std::array<float, 3>{1, 1, 1}));
}

TEST_F(HuggingFace, InputOfThePreprocessorResamplesThePositions) {
  edit("dinov2", "preprocessor_config.json", [](Json& json) {
    json["size"] = {{"shortest_edge", 20}};
    json["crop_size"] = {{"height", 16}, {"width", 16}};
  });
  const Network network = load("dinov2");
  EXPECT_EQ(network.preprocessing().height, 16);
  EXPECT_TRUE(listener_.heard("positions resampled from 3x3 to 2x2 patches"));
}

TEST_F(HuggingFace, WithoutItsPreprocessorTheModelSaysWhatIsAssumed) {
  std::filesystem::remove(model("vit") / "preprocessor_config.json");
  const Network network = load("vit");
  EXPECT_EQ(network.preprocessing().height, 24);
  EXPECT_TRUE(listener_.heard("does not say its preprocessing"));
}

TEST_F(HuggingFace, WhatIsNotComputedIsRefusedByName) {
  EXPECT_NE(refusal("dinov2-classes").find("the class token and the mean of the patches"), std::string::npos);
  edit("vit", "config.json", [](Json& json) { json["model_type"] = "beit"; });
  EXPECT_NE(refusal("vit").find("\"model_type\" is \"beit\", expected vit, deit"), std::string::npos);
  edit("vit", "config.json", [](Json& json) {
    json["model_type"] = "vit";
    json["hidden_act"] = "mish";
  });
  EXPECT_NE(refusal("vit").find("\"hidden_act\" is \"mish\""), std::string::npos);
  edit("deit", "preprocessor_config.json", [](Json& json) { json["resample"] = 1; });
  EXPECT_NE(refusal("deit").find("\"resample\" is 1, expected 2 (bilinear) or 3 (bicubic)"),
            std::string::npos);
  edit("dinov2", "preprocessor_config.json", [](Json& json) {
    json["crop_size"] = 64;
    json["do_center_crop"] = true;
  });
  EXPECT_NE(refusal("dinov2").find("\"crop_size\" is 64, expected at most the 24 of size"),
            std::string::npos);
}

TEST_F(HuggingFace, TensorsThatAreMissingAreNamed) {
  Tensors tensors = read_safetensors(model("vit") / "model.safetensors");
  tensors.erase("vit.encoder.layer.1.attention.attention.key.weight");
  write_safetensors(model("vit") / "model.safetensors", tensors);
  EXPECT_NE(refusal("vit").find("tensor \"vit.encoder.layer.1.attention.attention.key.weight\" is missing"),
            std::string::npos);
}

TEST_F(HuggingFace, ShardsThatAreMissingAreNamed) {
  std::filesystem::remove(model("vit-shards") / "model-00002-of-00003.safetensors");
  EXPECT_NE(refusal("vit-shards").find("model-00002-of-00003.safetensors: not found"), std::string::npos);
}

TEST_F(HuggingFace, IndexOfShardsThatLiesIsRefused) {
  const char* const index = "model.safetensors.index.json";
  edit("vit-shards", index,
       [](Json& json) { json["weight_map"]["more"] = "model-00001-of-00003.safetensors"; });
  EXPECT_NE(refusal("vit-shards").find("tensor \"more\" is not in model-00001-of-00003.safetensors"),
            std::string::npos);
  edit("vit-shards", index, [](Json& json) {
    json["weight_map"].erase("more");
    json["weight_map"].erase("classifier.bias");
  });
  EXPECT_NE(refusal("vit-shards").find("has a tensor \"classifier.bias\" that the index does not name"),
            std::string::npos);
  edit("vit-shards", index, [](Json& json) { json["weight_map"]["classifier.bias"] = "../elsewhere"; });
  EXPECT_NE(refusal("vit-shards").find("it is no name of a file beside the index"), std::string::npos);
}

}  // namespace
}  // namespace normgraft
