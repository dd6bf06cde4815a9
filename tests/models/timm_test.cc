#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "network/fixtures.h"
#include "normgraft/models/model_folder.h"
#include "normgraft/network/stream.h"

// Model folders that timm writes, against what timm computes of them (tests/oracle/timm_variants.py).

namespace normgraft {
namespace {

using testing::Listener;
using testing::relative_error;
using testing::TemporaryFolder;

/// Of the largest |logit|. timm computes in float32 too and is within 1.4e-6 of float64; another gelu shows
/// at 5e-5, another filter of positions at 8e-3, another eps or other heads at 0.08.
constexpr double kTolerance = 2e-5;
constexpr int64_t kPictures = 3;

const std::string kOracle = NORMGRAFT_SOURCE_DIR "/tests/oracle";

bool run_python(const std::string& arguments) {
  return std::system(fmt::format("cd {} && /usr/bin/python3 {}", kOracle, arguments).c_str()) == 0;
}

bool timm_available() {
  static const bool available = run_python("-c 'from timm_import import timm' 2>/dev/null");
  return available;
}

class Timm : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!timm_available()) GTEST_SKIP() << "timm is absent (scripts/install-dependencies.sh --tests)";
  }

  /// Has timm write its folders of a kind here.
  void make(const std::string& kind) {
    ASSERT_TRUE(run_python(fmt::format("timm_variants.py {} '{}'", kind, folder_.path().string())));
  }

  static Tensor read_floats(const Path& path, std::vector<int64_t> shape) {
    std::string bytes = read_file(path, "timm's output");
    return at::from_blob(bytes.data(), std::move(shape), at::kFloat).clone();
  }

  /// The network's answers to timm's pictures.
  static Tensor answers(const Network& network, const Path& folder) {
    const at::NoGradGuard no_grad;
    const Preprocessing& p = network.preprocessing();
    return network.forward(read_floats(folder / "input.f32", {kPictures, 3, p.height, p.width}));
  }

  /// The network gives timm's answers, and the same again after it was saved to `saved`.
  void expect_timms_answers(const Network& network, const Path& folder, const Path& saved) {
    const Tensor given = answers(network, folder);
    const Tensor expected = read_floats(folder / "logits.f32", given.sizes().vec());
    EXPECT_LT(relative_error(given, expected), kTolerance);
    save_model(saved, network);
    Listener listener;
    const Network again = load_model(saved, {}, listener);
    EXPECT_TRUE(at::equal(answers(again, folder), given));
    for (const std::string& line : listener.notices)
      EXPECT_TRUE(line.starts_with("norms that are no sites")) << line;
    for (const char* file : {"input.f32", "logits.f32"}) {
      std::filesystem::copy_file(folder / file, saved / file);
    }
  }

  TemporaryFolder folder_;
};

/// Whether an architecture's own arguments, as timm has them, make another network than the one that is
/// computed.
bool is_another_network(const Json& facts) {
  if (!facts.contains("args")) return true;
  const Json& arguments = facts["args"];
  return arguments.contains("block_fn") || arguments.contains("attn_layer") ||
         !arguments.value("final_norm", true);
}

TEST_F(Timm, ComputesEachArchitectureAsTimmDoesOrRefusesIt) {
  make("models");
  const TemporaryFolder saved;
  const Path list = Path(NORMGRAFT_SOURCE_DIR) / "tests" / "models" / "timm_architectures.json";
  const Json known = read_json(list, "timm's architectures");
  size_t computed = 0, refused = 0;
  for (const auto& [name, facts] : known["architectures"].items()) {
    SCOPED_TRACE(name);
    const Path folder = folder_ / name;
    if (is_another_network(facts)) {
      const std::string message =
          testing::input_error([&, &n = name] { load_model(folder_ / n, {}, silent_monitor()); });
      EXPECT_NE(message.find(fmt::format("architecture \"{}\" is not computed: ", name)), std::string::npos)
          << message;
      ++refused;
      continue;
    }
    Listener listener;
    const Network network = load_model(folder, {}, listener);
    for (const std::string& line : listener.notices) {
      const bool resampled = line.starts_with("positions resampled") && name.starts_with("test_vit");
      EXPECT_TRUE(resampled || line.starts_with("norms that are no sites")) << line;
    }
    const Json described = network.architecture().facts();
    EXPECT_EQ(described.at("heads"), facts["heads"]);
    EXPECT_EQ(described.at("eps"), facts["eps"]);
    EXPECT_EQ(described.at("activation"), facts["act"]);
    expect_timms_answers(network, folder, saved / name);
    ++computed;
  }
  EXPECT_EQ(computed, 162);
  EXPECT_EQ(refused, 240);
  EXPECT_TRUE(run_python(fmt::format("timm_variants.py check '{}'", saved.path().string())));
}

/// Gamma and beta of every site in the Linears that read it; where norms hide it, the stream without its
/// mean.
Network folded(Network network) {
  const bool blind = hides_mean(network);
  if (blind) centre_stream(network);
  for (size_t site = 0; site < network.sites().size(); ++site) {
    if (!network.sites()[site].readers.empty()) fold_norm(network, site, blind);
  }
  return network;
}

TEST_F(Timm, ComputesTheArgumentsOfItsNetworksOrRefusesThem) {
  make("options");
  const TemporaryFolder saved;
  const std::set<std::string> not_computed = {"refined patches", "no pool", "no last norm"};
  size_t computed = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    const std::string title = entry.path().filename().string();
    SCOPED_TRACE(title);
    if (not_computed.contains(title)) {
      const std::string message =
          testing::input_error([&] { load_model(entry.path(), {}, silent_monitor()); });
      EXPECT_NE(message.find("config.json: \""), std::string::npos) << message;
      continue;
    }
    Listener listener;
    const Network network = load_model(entry.path(), {}, listener);
    expect_timms_answers(network, entry.path(), saved / title);
    expect_timms_answers(folded(network), entry.path(), saved / (title + ", folded"));
    ++computed;
  }
  EXPECT_EQ(computed, 20);
  EXPECT_TRUE(run_python(fmt::format("timm_variants.py check '{}'", saved.path().string())));
}

TEST_F(Timm, ResamplesPositionsToAnotherInputSizeAsTimmDoes) {
  make("resized");
  const TemporaryFolder saved;
  size_t computed = 0;
  for (const Json& sized : read_json(folder_ / "cases.json", "cases")) {
    const auto name = sized[0].get<std::string>();
    SCOPED_TRACE(name);
    if (name.find("radio") != std::string::npos) continue;  // refused by name
    Listener listener;
    ModelOptions options;
    options.input_size = {sized[1].get<int64_t>(), sized[2].get<int64_t>()};
    const Network network = load_model(folder_ / name, options, listener);
    EXPECT_TRUE(listener.heard("positions resampled from "));
    expect_timms_answers(network, folder_ / name, saved / name);
    ++computed;
  }
  EXPECT_EQ(computed, 8);
  EXPECT_TRUE(run_python(fmt::format("timm_variants.py check '{}'", saved.path().string())));
}

TEST_F(Timm, TellsFromTheTensorsWhatTheNameOfAnUnknownArchitectureDoesNot) {
  make("options");
  for (const char* title : {"average", "attention pool", "root mean square norms", "query and key norms"}) {
    SCOPED_TRACE(title);
    const Path folder = folder_ / title;
    Json config = read_json(folder / "config.json", "config");
    config["architecture"] = "my_vit";
    config.erase("global_pool");
    for (const char* known : {"global_pool", "norm_layer", "qk_norm"}) config["model_args"].erase(known);
    config["model_args"]["num_heads"] = 3;
    write_json(folder / "config.json", config);
    Listener listener;
    const Network network = load_model(folder, {}, listener);
    EXPECT_TRUE(listener.heard("timm has no architecture \"my_vit\""));
    const Tensor given = answers(network, folder);
    EXPECT_LT(relative_error(given, read_floats(folder / "logits.f32", given.sizes().vec())), kTolerance);
  }
}

}  // namespace
}  // namespace normgraft
