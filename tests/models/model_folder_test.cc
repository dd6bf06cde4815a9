#include "normgraft/models/model_folder.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>

#include "network/fixtures.h"
#include "normgraft/network/safetensors.h"

namespace normgraft {
namespace {

using testing::input_error;
using testing::Listener;
using testing::small_tensors;
using testing::small_vit;
using testing::TemporaryFolder;

class ModelFolder : public ::testing::Test {
 protected:
  ModelFolder() { save_model(model_, small_vit()); }

  void edit_config(const std::function<void(Json&)>& edit) {
    Json config = read_json(model_ / "config.json", "config");
    edit(config);
    write_json(model_ / "config.json", config);
  }
  void edit_tensors(const std::function<void(Tensors&)>& edit) {
    Tensors tensors = read_safetensors(model_ / "model.safetensors");
    edit(tensors);
    write_safetensors(model_ / "model.safetensors", tensors);
  }
  Network load(const ModelOptions& options = {}) { return load_model(model_, options, listener_); }
  void expect_fault(const std::vector<std::string>& parts) {
    const std::string message = input_error([&] { load(); });
    for (const std::string& part : parts)
      EXPECT_NE(message.find(part), std::string::npos) << message << "\nlacks " << part;
  }

  TemporaryFolder folder_;
  Path model_ = folder_ / "model";
  Listener listener_;
};

TEST_F(ModelFolder, HoldsAllThatTheNetworkNeeds) {
  const Network vit = load();
  EXPECT_TRUE(listener_.notices.empty()) << listener_.notices.front();
  EXPECT_EQ(vit.architecture().name(), "vit_tiny_patch16_224");
  EXPECT_EQ(vit.architecture().facts().at("input"), (Json{3, 24, 16}));
  EXPECT_EQ(vit.architecture().facts().at("heads"), 2);
  const Preprocessing expected = testing::small_preprocessing();
  const Preprocessing& read = vit.preprocessing();
  EXPECT_EQ(read.height, expected.height);
  EXPECT_EQ(read.width, expected.width);
  EXPECT_EQ(read.crop_pct, expected.crop_pct);
  EXPECT_EQ(read.crop_mode, expected.crop_mode);
  EXPECT_EQ(read.interpolation, expected.interpolation);
  EXPECT_EQ(read.mean, expected.mean);
  EXPECT_EQ(read.std, expected.std);
}

TEST_F(ModelFolder, SavesTheSameBytesAfterLoading) {
  save_model(folder_ / "again", load());
  for (const char* file : {"config.json", "model.safetensors"}) {
    EXPECT_EQ(read_file(folder_ / "again" / file, "file"), read_file(model_ / file, "file"));
  }
}

TEST_F(ModelFolder, MayHoldThePreprocessingAtTheTopOfItsConfig) {
  edit_config([](Json& config) {
    Json pretrained = config["pretrained_cfg"];
    config.erase("pretrained_cfg");
    config.update(pretrained);
  });
  EXPECT_EQ(load().preprocessing().mean, testing::small_preprocessing().mean);
  EXPECT_TRUE(listener_.notices.empty());
}

TEST_F(ModelFolder, SavesAQkvBiasForEveryBlockWhenOneHasIt) {
  Tensors tensors = small_tensors();
  tensors.erase("blocks.0.attn.qkv.bias");
  const Network vit = make_vit(testing::small_config(), testing::small_preprocessing(), tensors);
  save_model(model_, vit);
  const Network read = load();
  EXPECT_TRUE(at::equal(read.tensors().at("blocks.0.attn.qkv.bias"), at::zeros({24})));
  const at::NoGradGuard no_grad;
  const Tensor images = testing::small_images(2);
  EXPECT_LT(testing::relative_error(read.forward(images), vit.forward(images)), 1e-6);
}

TEST_F(ModelFolder, TakesFromOptionsWhatItDoesNotSay) {
  edit_config([](Json& config) {
    config.erase("model_args");
    config.erase("norm_eps");
    config.erase("architecture");
    config.erase("block");
  });
  const Network vit = load({.heads = 4, .eps = 1e-3, .activation = "relu", .input_size = {}});
  EXPECT_EQ(vit.architecture().facts().at("heads"), 4);
  EXPECT_EQ(vit.architecture().facts().at("eps"), 1e-3);
  EXPECT_EQ(vit.architecture().facts().at("activation"), "relu");
  EXPECT_EQ(listener_.notices.size(), 1);
  EXPECT_TRUE(listener_.heard("timm has no architecture \"model\""));
}

TEST_F(ModelFolder, AnnouncesWhatItHasToAssume) {
  edit_config([](Json& config) { config = {{"input_size", {3, 24, 16}}}; });
  const Network vit = load();
  EXPECT_EQ(vit.architecture().facts().at("heads"), 1);
  EXPECT_EQ(vit.architecture().facts().at("eps"), 1e-6);
  EXPECT_EQ(vit.architecture().facts().at("activation"), "gelu");
  EXPECT_EQ(vit.preprocessing().crop_pct, 0.9);
  for (const char* part : {"guessing 1, 8 channels a head", "guessing 1e-06", "guessing gelu",
                           "guessing token", "crop_pct 0.9"}) {
    EXPECT_TRUE(listener_.heard(part)) << part;
  }
}

TEST_F(ModelFolder, PrefersItsConfigToOptionsAndSaysSo) {
  EXPECT_EQ(
      load({.heads = 4, .eps = {}, .activation = {}, .input_size = {}}).architecture().facts().at("heads"),
      2);
  EXPECT_TRUE(listener_.heard("option heads 4 is not used"));
}

TEST_F(ModelFolder, MayBeABareSafetensorsFile) {
  edit_tensors([](Tensors& tensors) { tensors["pos_embed"] = at::zeros({1, 10, 8}); });
  std::filesystem::rename(model_ / "model.safetensors", folder_ / "bare_base.safetensors");
  const Network vit = load_model(folder_ / "bare_base.safetensors", {}, listener_);
  EXPECT_EQ(vit.architecture().facts().at("input"), (Json{3, 24, 24}));
  EXPECT_EQ(vit.preprocessing().mean, Preprocessing().mean);
  for (const char* part :
       {"input size: using 24x24", "heads", "interpolation bicubic", "mean 0.485 0.456 0.406"}) {
    EXPECT_TRUE(listener_.heard(part)) << part;
  }
}

TEST_F(ModelFolder, IsRefusedWhenNothingSaysItsInputSize) {
  edit_config([](Json& config) { config = Json::object(); });
  expect_fault({"model.safetensors", "7 positions", "input_size"});
}

TEST_F(ModelFolder, KnowsTheHeadsOfTheFamilies) {
  Tensors tensors;
  const auto heads = [&](const std::string& architecture, int64_t channels) {
    tensors = small_tensors();
    for (auto& [name, tensor] : tensors) {
      std::vector<int64_t> shape = tensor.sizes().vec();
      for (int64_t& size : shape)
        size = size == 8 && name != "patch_embed.proj.weight" ? channels : size == 24 ? 3 * channels : size;
      if (name == "patch_embed.proj.weight") shape[0] = channels;
      tensor = at::zeros(shape);
    }
    write_safetensors(model_ / "model.safetensors", tensors);
    edit_config([&](Json& config) {
      config["architecture"] = architecture;
      config.erase("model_args");
      config.erase("norm_eps");
    });
    listener_.notices.clear();
    return load().architecture().facts().at("heads");
  };
  EXPECT_EQ(heads("deit_tiny_patch16_224", 192), 3);
  EXPECT_EQ(heads("vit_small_patch16_224", 384), 6);
  EXPECT_EQ(heads("vit_huge_patch14_224", 1280), 16);
  EXPECT_TRUE(listener_.notices.empty());
  EXPECT_EQ(heads("vit_huge_patch14_224", 128), 2);
  EXPECT_TRUE(listener_.heard("guessing 2, 64 channels a head"));
}

TEST_F(ModelFolder, LeavesOutTheMaskTokenOfPretraining) {
  edit_tensors([](Tensors& tensors) { tensors["mask_token"] = at::zeros({1, 8}); });
  EXPECT_FALSE(load().tensors().contains("mask_token"));
  EXPECT_TRUE(listener_.heard("mask_token"));
}

TEST_F(ModelFolder, IsRefusedWhenItIsMissingOrIncomplete) {
  EXPECT_NE(input_error([&] { load_model(folder_ / "absent", {}, listener_); }).find("absent"),
            std::string::npos);
  std::filesystem::remove(model_ / "model.safetensors");
  expect_fault({"model.safetensors", "not found"});
  std::filesystem::remove(model_ / "config.json");
  expect_fault({"config.json", "not found"});
}

TEST_F(ModelFolder, MayHaveOneFileOfWeightsOfAnyName) {
  std::filesystem::rename(model_ / "model.safetensors", model_ / "weights.safetensors");
  load();
  std::filesystem::copy_file(model_ / "weights.safetensors", model_ / "more.safetensors");
  expect_fault({"2 files of weights in it, expected one"});
}

TEST_F(ModelFolder, IsRefusedWhenItHoldsAnotherArchitecture) {
  write_safetensors(model_ / "model.safetensors", {{"conv1.weight", at::zeros({64, 3, 7, 7})},
                                                   {"layer1.0.conv1.weight", at::zeros({64, 64, 1, 1})}});
  expect_fault({"model.safetensors", "no known family", "\"patch_embed.proj.weight\" is missing"});
  write_safetensors(model_ / "model.safetensors", {{"patch_embed.proj.weight", at::zeros({96, 3, 4, 4})},
                                                   {"layers.0.blocks.0.norm1.weight", at::zeros({96})}});
  expect_fault({"model.safetensors", "no known family", "\"blocks.0.norm1.weight\" is missing"});
}

TEST_F(ModelFolder, IsRefusedWhenAWeightIsNotFinite) {
  edit_tensors(
      [](Tensors& tensors) { tensors.at("norm.weight")[0] = std::numeric_limits<float>::quiet_NaN(); });
  expect_fault({"model.safetensors", "\"norm.weight\"", "not finite"});
}

TEST_F(ModelFolder, IsRefusedWhenTheConfigSaysOtherwiseThanTheTensors) {
  edit_config([](Json& config) { config["model_args"]["img_size"] = {32, 16}; });
  expect_fault({"7 positions of pos_embed", "img_size"});
  edit_config([](Json& config) {
    config["model_args"]["img_size"] = {24, 16};
    config["num_classes"] = 6;
  });
  expect_fault({"\"head.bias\"", "[5]", "[6]"});
}

TEST_F(ModelFolder, IsRefusedWhenAFieldOfTheConfigIsNotWhatItShouldBe) {
  const std::vector<std::tuple<std::string, Json, std::string>> faults = {
      {"interpolation", "lanczos", "\"bicubic\" or \"bilinear\""},
      {"crop_pct", 1.5, "(0, 1]"},
      {"crop_mode", "border", "\"center\" or \"squash\""},
      {"mean", {0.5, 0.5}, "three numbers"},
      {"std", {0.5, 0.5, 0.0}, "above 0"},
      {"input_size", {1, 24, 16}, "[3, height, width]"},
      {"input_size", {3, 24.5, 16}, "[3, height, width]"},
      {"interpolation", 3, "a string"}};
  const Json valid = read_json(model_ / "config.json", "config");
  for (const auto& [field, value, expected] : faults) {
    Json config = valid;
    config["pretrained_cfg"][field] = value;
    write_json(model_ / "config.json", config);
    expect_fault({"config.json", field, value.dump(), expected});
  }
  for (const Json& more :
       {Json{{"global_pool", "map"}}, Json{{"model_args", {{"num_heads", -1}}}}, Json{{"model_args", 1}}}) {
    Json config = valid;
    config.update(more);
    write_json(model_ / "config.json", config);
    expect_fault({"config.json", "expected"});
  }
  write_json(model_ / "config.json", Json::array());
  expect_fault({"config.json", "array", "expected an object"});
}

}  // namespace
}  // namespace normgraft
