#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>

#include "network/fixtures.h"
#include "normgraft/models/model_folder.h"
#include "normgraft/network/r_units.h"
#include "normgraft/network/safetensors.h"
#include "normgraft/network/stream.h"

// What a checkpoint says of itself, and what becomes of what it leaves unsaid.

namespace normgraft {
namespace {

using testing::input_error;
using testing::Listener;
using testing::small_tensors;
using testing::TemporaryFolder;

class Checkpoint : public ::testing::Test {
 protected:
  Checkpoint() { save_model(model_, testing::small_vit()); }

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
  void leave_to_the_name(const std::string& architecture) {
    edit_config([&](Json& config) {
      config["architecture"] = architecture;
      config.erase("norm_eps");
      config.erase("block");
      for (const char* choice : {"num_heads", "act_layer", "global_pool"}) config["model_args"].erase(choice);
      config.erase("global_pool");
    });
  }
  Network load(const ModelOptions& options = {}) { return load_model(model_, options, listener_); }
  Json facts(const ModelOptions& options = {}) { return load(options).architecture().facts(); }
  std::string fault(const ModelOptions& options = {}) {
    return input_error([&] { load(options); });
  }

  TemporaryFolder folder_;
  Path model_ = folder_ / "model";
  Listener listener_;
};

TEST_F(Checkpoint, LosesThePrefixesThatWrappersLeaveBeforeEveryName) {
  const at::NoGradGuard no_grad;
  const Tensor images = testing::small_images(2), expected = load().forward(images);
  for (const std::string prefix :
       {"module.", "_orig_mod.", "model.", "module._orig_mod.", "model.module._orig_mod."}) {
    SCOPED_TRACE(prefix);
    Tensors wrapped;
    for (const auto& [name, tensor] : small_tensors()) wrapped[prefix + name] = tensor;
    write_safetensors(model_ / "model.safetensors", wrapped);
    listener_.notices.clear();
    EXPECT_TRUE(at::equal(load().forward(images), expected));
    EXPECT_TRUE(listener_.heard(fmt::format("the prefix \"{}\" is taken off", prefix)));
  }
}

TEST_F(Checkpoint, KeepsThePrefixThatOnlySomeNamesHave) {
  edit_tensors(
      [](Tensors& tensors) { tensors["module.norm.weight"] = tensors.extract("norm.weight").mapped(); });
  EXPECT_NE(fault().find("not understood: module.norm.weight"), std::string::npos);
}

TEST_F(Checkpoint, SaysTheNamesOfItsClasses) {
  const std::vector<std::string> names = {"ant", "bee", "cat", "dog", "eel"};
  edit_config([&](Json& config) { config["label_names"] = names; });
  const Network network = load();
  EXPECT_EQ(network.architecture().class_names(), names);
  EXPECT_TRUE(listener_.notices.empty());
  save_model(folder_ / "again", network);
  EXPECT_EQ(load_model(folder_ / "again", {}, listener_).architecture().class_names(), names);
}

TEST_F(Checkpoint, SaysThatItsLabelNamesAreNotUsedWhereTheyAreNotOneForEachClass) {
  edit_config([](Json& config) { config["label_names"] = {"ant", "bee"}; });
  EXPECT_TRUE(load().architecture().class_names().empty());
  EXPECT_TRUE(listener_.heard("2 label_names for 5 classes are not used"));
  edit_config([](Json& config) { config["label_names"] = 5; });
  EXPECT_NE(fault().find("\"label_names\" is 5, expected a list of texts"), std::string::npos);
}

TEST_F(Checkpoint, KeepsWhatItsStreamCarries) {
  Network network = load();
  network.set_carried(2, {.blind = true, .ratio = 55.5});
  network.set_carried(4, {.blind = true, .ratio = 0});
  save_model(folder_ / "carrying", network);
  const Json stream = read_json(folder_ / "carrying" / "config.json", "config")["stream"];
  EXPECT_EQ(stream["version"], 2);
  const Network read = load_model(folder_ / "carrying", {}, listener_);
  for (size_t site = 0; site < network.sites().size(); ++site) {
    EXPECT_EQ(read.sites()[site].carried, network.sites()[site].carried) << network.sites()[site].name;
  }
}

TEST_F(Checkpoint, KeepsUnitsOfRAndRefusesThoseThatAreNotThere) {
  Network network = load();
  free_channel(network);
  add_r_units(network, 3);
  save_model(folder_ / "units", network);
  const Network read = load_model(folder_ / "units", {}, listener_);
  EXPECT_EQ(read.sites()[2].carried.units, 3);
  EXPECT_EQ(read.tensors().at("blocks.1.mlp.fc1.weight").size(0),
            load().tensors().at("blocks.1.mlp.fc1.weight").size(0) + 3);
  const Path config = folder_ / "units" / "config.json";
  Json changed = read_json(config, "config");
  changed["stream"]["sites"]["blocks.1.norm1"]["units"] = 1000;
  write_json(config, changed);
  const std::string fault = testing::input_error([&] { load_model(folder_ / "units", {}, listener_); });
  EXPECT_NE(fault.find("1000 hidden units of r are named, expected fewer than"), std::string::npos) << fault;
}

TEST_F(Checkpoint, TakesFromTimmsNameWhatItDoesNotSay) {
  leave_to_the_name("vit_medium_patch32_clip_224");
  const Json clip = facts();
  EXPECT_EQ(clip["heads"], 8);
  EXPECT_EQ(clip["eps"], 1e-5);
  EXPECT_EQ(clip["activation"], "gelu");
  EXPECT_EQ(clip["pooling"], "token");
  leave_to_the_name("test_vit");
  const Json test = facts();
  EXPECT_EQ(test["heads"], 2);
  EXPECT_EQ(test["eps"], 1e-6);
  EXPECT_EQ(listener_.notices, std::vector<std::string>{});
}

TEST_F(Checkpoint, PrefersAnOptionToTimmsNameAndSaysSo) {
  leave_to_the_name("vit_base_patch16_clip_quickgelu_224");
  edit_config([](Json& config) { config["model_args"]["embed_dim"] = 8; });
  const Json chosen = facts({.heads = 4, .eps = 1e-3, .activation = "relu"});
  EXPECT_EQ(chosen["heads"], 4);
  EXPECT_EQ(chosen["eps"], 1e-3);
  EXPECT_EQ(chosen["activation"], "relu");
  for (const char* part :
       {"option heads 4 is used, where timm's \"vit_base_patch16_clip_quickgelu_224\" has 12",
        "option eps 0.001 is used", "option activation relu is used"}) {
    EXPECT_TRUE(listener_.heard(part)) << part;
  }
}

TEST_F(Checkpoint, CallsItsGuessesGuesses) {
  leave_to_the_name("my_own_vit");
  EXPECT_EQ(facts()["heads"], 1);
  for (const char* part :
       {"timm has no architecture \"my_own_vit\": its blocks are taken for an ordinary Vision Transformer's",
        "does not say its heads, and timm has no architecture \"my_own_vit\": guessing 1, 8 channels a head",
        "does not say its eps, and timm has no architecture \"my_own_vit\": guessing 1e-06",
        "does not say its activation, and timm has no architecture \"my_own_vit\": guessing gelu",
        "does not say its pooling, and timm has no architecture \"my_own_vit\": guessing token"}) {
    EXPECT_TRUE(listener_.heard(part)) << part;
  }
  EXPECT_EQ(listener_.notices.size(), 5);
}

TEST_F(Checkpoint, GuessesTheHeadsOfAnArchitectureThatIsNotOfItsOwnSize) {
  leave_to_the_name("vit_base_patch16_gap_224");
  edit_config([](Json& config) { config["model_args"].erase("embed_dim"); });
  EXPECT_EQ(facts()["heads"], 1);
  EXPECT_TRUE(listener_.heard("timm's \"vit_base_patch16_gap_224\" has other sizes: guessing 1"));
}

TEST_F(Checkpoint, OfOneFileAloneIsTakenForTheArchitectureThatTheFileIsNamedAfter) {
  const Path file = folder_ / "vit_base_patch16_clip_224.openai.safetensors";
  Tensors tensors = small_tensors();
  tensors["pos_embed"] = at::zeros({1, 10, 8});
  write_safetensors(file, tensors);
  const Network network = load_model(file, {}, listener_);
  EXPECT_EQ(network.architecture().facts()["eps"], 1e-5);
  EXPECT_TRUE(listener_.heard("for timm's \"vit_base_patch16_clip_224\""));
  const Path other = folder_ / "vit_base_patch16_rpn_224.safetensors";
  std::filesystem::rename(file, other);
  const std::string message = input_error([&] { load_model(other, {}, listener_); });
  EXPECT_NE(message.find("architecture \"vit_base_patch16_rpn_224\" is not computed"), std::string::npos)
      << message;
}

TEST_F(Checkpoint, IsRefusedForArgumentsOfAnotherNetwork) {
  const Json valid = read_json(model_ / "config.json", "config");
  const std::vector<std::pair<std::string, Json>> arguments = {{"attn_layer", "diff"},
                                                               {"dynamic_img_pad", true},
                                                               {"final_norm", false},
                                                               {"block_fn", "ResPostBlock"},
                                                               {"patch_size", 16},
                                                               {"in_chans", 1},
                                                               {"embed_dim", 16},
                                                               {"depth", 12},
                                                               {"norm_layer", "simple"},
                                                               {"act_layer", "mish"},
                                                               {"embed_norm_layer", "bn"},
                                                               {"global_pool", "prr"},
                                                               {"global_pool", ""},
                                                               {"img_size", {24, 16, 8}},
                                                               {"img_size", 0}};
  for (const auto& [name, value] : arguments) {
    SCOPED_TRACE(name);
    Json config = valid;
    config["model_args"][name] = value;
    write_json(model_ / "config.json", config);
    const std::string message = fault();
    EXPECT_NE(message.find(value.is_string() ? value.get<std::string>() : value.dump()), std::string::npos)
        << message;
    EXPECT_NE(message.find("expected"), std::string::npos) << message;
  }
}

TEST_F(Checkpoint, TakesAnyInputSizeOfAtLeastAPatch) {
  const Network network = load({.input_size = {{45, 9}}});
  EXPECT_EQ(network.preprocessing().height, 45);
  EXPECT_EQ(network.preprocessing().width, 9);
  EXPECT_EQ(network.tensors().at("pos_embed").sizes().vec(), (std::vector<int64_t>{1, 6, 8}));
  EXPECT_EQ(listener_.notices, std::vector<std::string>{"positions resampled from 3x2 to 5x1 patches"});
  const std::string message = fault({.input_size = {{7, 16}}});
  EXPECT_NE(message.find("input 7x16 is smaller than a patch of 8x8"), std::string::npos) << message;
}

TEST_F(Checkpoint, SavesARatioFromWhichTimmCutsTheSameHiddenChannels) {
  Tensors tensors = small_tensors();
  VitConfig config = testing::small_config();
  config.channels = 22;
  constexpr int64_t kHidden = 30;  // 22 * (30. / 22) is below 30
  for (auto& [name, tensor] : tensors) {
    std::vector<int64_t> shape = tensor.sizes().vec();
    const bool patch = name == "patch_embed.proj.weight";
    for (size_t i = 0; i < (patch ? 1 : shape.size()); ++i) {
      if (shape[i] == 8) shape[i] = 22;
      if (shape[i] == 24) shape[i] = name.find("qkv") != std::string::npos ? 66 : kHidden;
    }
    tensor = at::zeros(shape);
  }
  save_model(model_, make_vit(config, testing::small_preprocessing(), tensors));
  const Json saved = read_json(model_ / "config.json", "config");
  EXPECT_EQ(static_cast<int64_t>(22 * saved["model_args"]["mlp_ratio"].get<double>()), kHidden);
}

TEST_F(Checkpoint, OfThePooledLargestHidesNoMean) {
  edit_tensors([](Tensors& tensors) {
    for (const char* part : {".weight", ".bias"}) {
      tensors[std::string("fc_norm") + part] = tensors.extract(std::string("norm") + part).mapped();
    }
  });
  for (const auto& [pool, hidden] :
       {std::pair("avg", true), {"token", true}, {"max", false}, {"avgmax", false}}) {
    edit_config(
        [&, &p = pool](Json& config) { config["global_pool"] = config["model_args"]["global_pool"] = p; });
    EXPECT_EQ(hides_mean(load()), hidden) << pool;
  }
}

/// Blocks that add, then normalise: the names of their tensors are those of the ordinary block.
class ResPostNorm : public Checkpoint {
 protected:
  void SetUp() override {
    const char* data = std::getenv("NORMGRAFT_DATA");
    const Path shared = data != nullptr ? Path(data) : Path(NORMGRAFT_SOURCE_DIR) / ".." / "shared";
    const Path case01 = shared / "cases" / "01-res-post-norm" / "model";
    if (!std::filesystem::is_directory(case01)) GTEST_SKIP() << case01 << " is absent (set NORMGRAFT_DATA)";
    for (const char* file : {"config.json", "model.safetensors"})
      write_atomically(model_ / file, read_file(case01 / file, file));
  }
};

TEST_F(ResPostNorm, IsRefusedByItsName) {
  EXPECT_NE(fault().find("architecture \"vit_base_patch16_rpn_224\" is not computed: its blocks normalise "
                         "behind the branch"),
            std::string::npos);
}

TEST_F(ResPostNorm, OfAnUnknownNameIsTakenForAnOrdinaryOneAndSaysSo) {
  edit_config([](Json& config) { config["architecture"] = "vit_mine"; });
  load();
  EXPECT_TRUE(listener_.heard("\"vit_mine\": its blocks are taken for an ordinary Vision Transformer's"));
}

}  // namespace
}  // namespace normgraft
