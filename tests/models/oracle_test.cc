#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "network/fixtures.h"
#include "normgraft/models/model_folder.h"
#include "normgraft/network/safetensors.h"

// The network against an independent one in Python (tests/oracle/vit.py).

namespace normgraft {
namespace {

using testing::relative_error;
using testing::TemporaryFolder;

constexpr double kLogitTolerance = 1e-4;     // of the largest |logit|
constexpr double kGradientTolerance = 1e-3;  // of the largest |gradient| of the tensor

const char* const kPython = "/usr/bin/python3";

bool oracle_available() {
  static const bool available =
      std::system(fmt::format("{} -c 'import torch, numpy' 2>/dev/null", kPython).c_str()) == 0;
  return available;
}

void run_oracle(const std::string& arguments) {
  const std::string command =
      fmt::format("{} {}/tests/oracle/vit.py {}", kPython, NORMGRAFT_SOURCE_DIR, arguments);
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

Tensor read_floats(const Path& path, std::vector<int64_t> shape) {
  std::string bytes = read_file(path, "oracle's output");
  return at::from_blob(bytes.data(), shape, at::kFloat).clone();
}

void write_floats(const Path& path, const Tensor& tensor) {
  std::ofstream(path, std::ios::binary)
      .write(static_cast<const char*>(tensor.data_ptr()), static_cast<std::streamsize>(tensor.nbytes()));
}

/// One small model for each choice that the network knows, alone and together.
const std::vector<std::pair<std::string, Json>>& variants() {
  static const auto make = [] {
    const Json plain = {
        {"img_size", {24, 40}}, {"patch_size", {8, 8}}, {"embed_dim", 24}, {"depth", 2}, {"num_heads", 3}};
    const auto with = [&](const Json& more, const Json& top = Json::object()) {
      Json config = {
          {"architecture", "vit_test"}, {"num_classes", 7}, {"global_pool", "token"}, {"model_args", plain}};
      config.update(top);
      config["model_args"].update(more);
      const Json& size = config["model_args"]["img_size"];
      config["pretrained_cfg"] = {{"input_size", {3, size[0], size[1]}},
                                  {"interpolation", "bicubic"},
                                  {"crop_pct", 0.9},
                                  {"mean", {0.5, 0.5, 0.5}},
                                  {"std", {0.5, 0.5, 0.5}}};
      return config;
    };
    const Json average = {{"global_pool", "avg"}};
    return std::vector<std::pair<std::string, Json>>{
        {"plain", with(Json::object())},
        {"odd sizes", with({{"img_size", {35, 21}},
                            {"patch_size", {7, 5}},
                            {"embed_dim", 10},
                            {"num_heads", 2},
                            {"depth", 1},
                            {"mlp_ratio", 2.7}})},
        {"average pool", with(Json::object(), average)},
        {"average pool after the norm", with({{"fc_norm", false}}, average)},
        {"no class token", with({{"class_token", false}}, average)},
        {"layer scale", with({{"init_values", 1e-5}})},
        {"no qkv bias", with({{"qkv_bias", false}})},
        {"distilled", with(Json::object(), {{"architecture", "vit_test_distilled"}})},
        {"register tokens", with({{"reg_tokens", 3}})},
        {"positions of patches only", with({{"no_embed_class", true}, {"reg_tokens", 2}})},
        {"norm before the blocks",
         with({{"pre_norm", true}, {"act_layer", "quick_gelu"}}, {{"norm_eps", 1e-5}})},
        {"tanh gelu and a large eps", with({{"act_layer", "gelu_tanh"}}, {{"norm_eps", 0.1}})},
        {"relu", with({{"act_layer", "relu"}})},
        {"no head", with(Json::object(), {{"num_classes", 0}})},
        {"half floats", with(Json::object(), {{"storage", "F16"}})},
        {"brain floats", with({{"init_values", 1e-5}, {"no_embed_class", true}, {"qkv_bias", false}},
                              {{"storage", "BF16"}, {"global_pool", "avg"}})},
    };
  };
  static const auto list = make();
  return list;
}

void expect_equal_gradients(Network& vit, const Tensor& images, const Path& oracle) {
  for (auto& [name, tensor] : vit.tensors()) tensor.set_requires_grad(true);
  const Tensor logits = vit.forward(images);
  const Tensor labels = at::arange(images.size(0)).remainder(logits.size(1));
  at::cross_entropy_loss(logits, labels).backward();
  const auto gradients = read_safetensors(oracle);
  ASSERT_EQ(gradients.size(), vit.tensors().size());
  for (const auto& [name, tensor] : vit.tensors()) {
    EXPECT_LT(relative_error(tensor.grad(), gradients.at(name)), kGradientTolerance) << name;
  }
}

TEST(Oracle, GivesTheSameLogitsAndGradientsForEveryVariant) {
  if (!oracle_available()) GTEST_SKIP() << kPython << " has no torch and numpy (Debian: python3-torch)";
  const TemporaryFolder folder;
  for (const auto& [name, config] : variants()) write_json(folder / name / "config.json", config);
  run_oracle(fmt::format("variants {}", folder.path().string()));
  for (const auto& [name, config] : variants()) {
    SCOPED_TRACE(name);
    Network vit = load_model(folder / name, {}, silent_monitor());
    const Preprocessing& p = vit.preprocessing();
    const int64_t outputs = vit.classes() > 0 ? vit.classes() : vit.sites().back().channels;
    const Tensor images = read_floats(folder / name / "input.f32", {5, 3, p.height, p.width});
    const Tensor expected = read_floats(folder / name / "logits.f32", {5, outputs});
    {
      const at::NoGradGuard no_grad;
      EXPECT_LT(relative_error(vit.forward(images), expected), kLogitTolerance);

      save_model(folder / "saved", vit);
      const Network saved = load_model(folder / "saved", {}, silent_monitor());
      EXPECT_TRUE(at::equal(saved.forward(images), vit.forward(images)));
      EXPECT_EQ(saved.parameter_count(), vit.parameter_count());
    }
    expect_equal_gradients(vit, images, folder / name / "gradients.safetensors");
  }
}

TEST(Oracle, ReadsASavedModel) {
  if (!oracle_available()) GTEST_SKIP() << kPython << " has no torch and numpy (Debian: python3-torch)";
  const at::NoGradGuard no_grad;
  const TemporaryFolder folder;
  const Network vit = testing::small_vit();
  const Tensor images = testing::small_images(3);
  save_model(folder / "model", vit);
  write_floats(folder / "input.f32", images);
  run_oracle(fmt::format("logits {0}/model {0}/input.f32 {0}/logits.f32", folder.path().string()));
  EXPECT_LT(relative_error(vit.forward(images), read_floats(folder / "logits.f32", {3, 5})), kLogitTolerance);
}

TEST(Oracle, GivesTheSameLogitsForTheRealCheckpoints) {
  const char* data = std::getenv("NORMGRAFT_DATA");
  const Path models =
      (data != nullptr ? Path(data) : Path(NORMGRAFT_SOURCE_DIR) / ".." / "shared") / "models";
  if (!std::filesystem::is_directory(models)) GTEST_SKIP() << models << " is absent (set NORMGRAFT_DATA)";
  if (!oracle_available()) GTEST_SKIP() << kPython << " has no torch and numpy (Debian: python3-torch)";
  const at::NoGradGuard no_grad;
  const TemporaryFolder folder;
  for (const auto& entry : std::filesystem::directory_iterator(models)) {
    SCOPED_TRACE(entry.path().string());
    testing::Listener listener;
    const Network vit = load_model(entry.path(), {}, listener);
    EXPECT_TRUE(listener.notices.empty());
    at::manual_seed(3);
    const Tensor images = at::randn({3, 3, vit.preprocessing().height, vit.preprocessing().width});
    write_floats(folder / "input.f32", images);
    run_oracle(fmt::format("logits {0} {1}/input.f32 {1}/logits.f32", entry.path().string(),
                           folder.path().string()));
    const Tensor expected = read_floats(folder / "logits.f32", {3, vit.classes()});
    EXPECT_LT(relative_error(vit.forward(images), expected), kLogitTolerance);
    EXPECT_EQ(vit.sites().size(), 2 * vit.architecture().facts().at("depth").get<size_t>() + 1);
  }
}

}  // namespace
}  // namespace normgraft
