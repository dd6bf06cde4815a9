#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "command_line.h"
#include "normgraft/core/files.h"
#include "normgraft/graft/graft.h"
#include "normgraft/integer/arena.h"
#include "normgraft/integer/program_folder.h"
#include "normgraft/network/carrier.h"
#include "support/integer_programs.h"
#include "support/small_model.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::run_program;
using testing::TemporaryFolder;

Graft graft_of_all_sites(Network vit) {
  Graft graft(std::move(vit));
  const char* const texts[] = {"clip(0.7*x+0.1, -1.5, 2)", "1.3*tanh(0.6*x)", "x/(1.2+0.3*abs(x))",
                               "erf(0.5*x)+0.1*x", "1.1*x*rsqrt(square(x)+0.9)"};
  for (size_t i = 0; i < graft.network().sites().size(); ++i) {
    graft.set_function(graft.network().sites()[i].name, Expression::parse(texts[i]));
  }
  graft.network().tensors().at("blocks.0.norm1.weight") *= 1.5;
  return graft;
}

/// The logits of `model`, in PyTorch, after it has loaded what the program exports of `graft`.
Tensor logits_in_pytorch(const Network& model, const Graft& graft, const Tensor& images) {
  const TemporaryFolder folder;
  save_model(folder / "model", model);
  save_graft(folder / "grafted", graft);
  const auto outcome =
      run_program({"export", folder / "grafted", "--to", "torch", "-o", folder / "exported"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  write_atomically(folder / "images.f32", {static_cast<const char*>(images.data_ptr()), images.nbytes()});
  write_atomically(
      folder / "check.py",
      fmt::format(
          "import sys\n"
          "sys.path[:0] = ['{0}/tests/oracle', '{1}/exported']\n"
          "import numpy, torch, graft, vit\n"
          "network, config = vit.load('{1}/model')\n"
          "graft.load(network, '{1}/exported')\n"
          "images = torch.from_numpy(numpy.fromfile('{1}/images.f32', numpy.float32).reshape(4, 3, 32, 32))\n"
          "with torch.no_grad():\n"
          "    network(images).numpy().astype(numpy.float32).tofile('{1}/logits.f32')\n",
          NORMGRAFT_SOURCE_DIR, folder.path().string()));
  const std::string command =
      fmt::format("/usr/bin/python3 {0}/check.py 2> {0}/err.txt", folder.path().string());
  EXPECT_EQ(std::system(command.c_str()), 0) << read_file(folder / "err.txt", "errors");
  std::string bytes = read_file(folder / "logits.f32", "logits");
  return at::from_blob(bytes.data(), {4, 3}, at::kFloat).clone();
}

void expect_close(const Tensor& logits, const Tensor& expected) {
  EXPECT_LT((logits - expected).abs().max().item<double>(), 1e-4 * expected.abs().max().item<double>());
}

TEST(Export, ToTorchGivesTheLogitsOfTheGraftInAnIndependentNetwork) {
  at::NoGradGuard no_grad;
  const Graft graft = graft_of_all_sites(testing::small_vit());
  at::manual_seed(7);
  const Tensor images = at::randn({4, 3, 32, 32});
  expect_close(logits_in_pytorch(testing::small_vit(), graft, images), graft.forward(images));
}

TEST(Export, ToTorchOfAFoldedGraftLoadsIntoANetworkWithoutQkvBiases) {
  at::NoGradGuard no_grad;
  const auto without_qkv_biases = [] {
    const VitConfig config = testing::small_vit_config();
    const Network vit = testing::small_vit();
    Tensors tensors = vit.tensors();
    for (int64_t i = 0; i < config.depth; ++i) tensors.erase(fmt::format("blocks.{}.attn.qkv.bias", i));
    return make_vit(config, vit.preprocessing(), std::move(tensors));
  };
  Graft graft = graft_of_all_sites(without_qkv_biases());
  at::manual_seed(7);
  const Tensor images = at::randn({4, 3, 32, 32});
  const Tensor expected = graft.forward(images);
  fold(graft);
  ASSERT_TRUE(graft.network().tensors().contains("blocks.0.attn.qkv.bias"));
  expect_close(logits_in_pytorch(without_qkv_biases(), graft, images), expected);
}

TEST(Export, ToTorchOfAGraftWhoseChannelTellsRGivesItsLogitsInAnIndependentNetwork) {
  at::NoGradGuard no_grad;
  Network vit = testing::small_vit();
  at::manual_seed(7);
  const Tensor images = at::randn({4, 3, 32, 32});
  let_channel_carry_scale(vit, {at::randn({64, 3, 32, 32}), {}}, {}, silent_monitor());
  ASSERT_TRUE(vit.tensors().contains("carrier.projections"));
  Graft graft(std::move(vit));
  for (const Site& site : graft.network().sites())
    graft.set_function(site.name, Expression::parse("x*exp(-r)"));
  expect_close(logits_in_pytorch(testing::small_vit(), graft, images), graft.forward(images));
}

TEST(Export, ToCOfANetworkOfIntegersWritesWhatAMakefileBuilds) {
  const TemporaryFolder folder;
  Random random({71});
  const IntegerProgram program = testing::random_integer_program(random);
  write_integer_folder(folder / "integers", program);
  for (const std::string weights : {"array", "binary"}) {
    const auto outcome = run_program(
        {"export", folder / "integers", "--to", "c", "--weights", weights, "-o", folder / weights, "--json"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(Json::parse(outcome.out)["arena_bytes"], plan_arena(program).bytes);
    const std::string command =
        fmt::format("make -C {} > {}/made 2>&1", (folder / weights).string(), folder.path().string());
    EXPECT_EQ(std::system(command.c_str()), 0) << read_file(folder / "made", "output");
    EXPECT_EQ(std::filesystem::exists(folder / weights / "network.weights"), weights == "binary");
  }
}

TEST(Export, ToVerilogOfANetworkOfIntegersWritesAModuleForEachUnitOfItsIndex) {
  const TemporaryFolder folder;
  Random random({73});
  write_integer_folder(folder / "integers", testing::random_integer_program(random));
  const auto outcome =
      run_program({"export", folder / "integers", "--to", "verilog", "-o", folder / "verilog", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json index = Json::parse(read_file(folder / "verilog/units.json", "index"));
  EXPECT_EQ(Json::parse(outcome.out)["units"], index["units"].size());
  for (const Json& unit : index["units"])
    EXPECT_TRUE(std::filesystem::exists(folder / ("verilog/" + unit["module"].get<std::string>() + ".v")));
}

/// The small network with one function at all sites, where x was seen from -3 to 5; how many sites.
size_t save_graft_of(const std::string& function, const Path& to) {
  Graft graft(testing::small_vit());
  FunctionFile file;
  for (const Site& site : graft.network().sites()) {
    file.functions.emplace(site.name, Expression::parse(function));
    file.seen.emplace(site.name, Interval{-3, 5});
  }
  graft.set_functions(file);
  save_graft(to, graft);
  return file.functions.size();
}

TEST(Export, ToVerilogOfAGraftWritesItsFunctionsAsCircuits) {
  const TemporaryFolder folder;
  const size_t places = save_graft_of("min(0.75*x, 2)", folder / "grafted");
  const auto outcome =
      run_program({"export", folder / "grafted", "--to", "verilog", "-o", folder / "verilog", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(Json::parse(outcome.out)["units"], 1);
  EXPECT_EQ(Json::parse(outcome.out)["places"], places);
  const Json index = Json::parse(read_file(folder / "verilog/units.json", "index"));
  EXPECT_EQ(index["functions"]["norm"]["x"], Json::parse(R"({"bits": 16, "fraction": 12})"));
  EXPECT_EQ(index["functions"]["norm"]["y"], Json::parse(R"({"bits": 8, "fraction": 5})"));
}

TEST(Export, ToVerilogMakesUnitsAsRoughAsIsAllowed) {
  const TemporaryFolder folder;
  save_graft_of("tanh(0.3*x)", folder / "grafted");
  const auto largest_error = [&](const std::string& allowed) {
    const auto outcome = run_program(
        {"export", folder / "grafted", "--to", "verilog", "--most-error", allowed, "-o", folder / allowed});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    const Json index = Json::parse(read_file(folder / allowed / "units.json", "index"));
    const Json& norm = index["functions"]["norm"];
    return std::ldexp(norm["largest_error"].get<double>(),
                      norm["y"]["fraction"].get<int>());  // in steps of y
  };
  EXPECT_LE(largest_error("0.1"), 0.6);
  EXPECT_GT(largest_error("3"), 0.8);
  EXPECT_LE(largest_error("3"), 3.5);
}

/// A network of integers, "integers", and a graft, "grafted", of which exports are refused.
struct RefusedExports {
  RefusedExports() {
    Random random({72});
    write_integer_folder(folder / "integers", testing::random_integer_program(random));
    save_graft(folder / "grafted", graft_of_all_sites(testing::small_vit()));
  }
  /// The one line that is said; nothing is written.
  std::string complaint(const std::string& model, const std::vector<std::string>& options) const {
    std::vector<std::string> arguments = {"export", folder / model, "-o", folder / "exported"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const auto outcome = run_program(arguments);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(folder / "exported"));
    return outcome.err;
  }
  TemporaryFolder folder;
};

TEST(Export, SaysInOneLineWhichModelsATargetTakes) {
  const RefusedExports at;
  EXPECT_NE(
      at.complaint("grafted", {"--to", "c"}).find("is no network of integers, expected what quantize writes"),
      std::string::npos);
  EXPECT_NE(at.complaint("grafted", {"--to", "verilog"}).find("says no range of x for blocks.0.norm1"),
            std::string::npos);
  EXPECT_NE(at.complaint("integers", {"--to", "verilog", "--weights", "array"})
                .find("expected --weights with --to c"),
            std::string::npos);
  EXPECT_NE(at.complaint("integers", {"--to", "verilog", "--most-error", "2"})
                .find("expected --y-bits and --most-error with a graft alone"),
            std::string::npos);
  EXPECT_NE(
      at.complaint("integers", {"--to", "torch"}).find("is a network of integers, expected a grafted model"),
      std::string::npos);
  EXPECT_NE(at.complaint("integers", {"--to", "c", "--weights", "flash"}).find("expected array or binary"),
            std::string::npos);
  EXPECT_NE(at.complaint("grafted", {"--weights", "binary"}).find("expected --weights with --to c alone"),
            std::string::npos);
}

TEST(Export, ToOnnxSaysInOneLineWhatItCannotWriteAndWritesNothing) {
  const RefusedExports at;
  const auto says = [](const std::string& line, const std::string& words) {
    EXPECT_NE(line.find(words), std::string::npos) << line;
  };
  says(at.complaint("grafted", {"--to", "onnx", "--opset", "18"}), "export --opset 18: expected 13 to 17");
  says(at.complaint("grafted", {"--to", "onnx", "--batch", "all"}),
       "expected a number from 1 to 65536, or dynamic");
  says(at.complaint("grafted", {"--to", "onnx", "--quantized"}), "expected what quantize writes");
  says(at.complaint("integers", {"--to", "onnx"}), "expected --quantized with it");
  says(at.complaint("integers", {"--to", "onnx", "--quantized"}), "export --to onnx --quantized: ");
  says(at.complaint("integers", {"--to", "onnx", "--quantized", "--gelu", "tanh"}), "expected none");
  says(at.complaint("grafted", {"--to", "onnx", "--gelu", "sine"}), "expected erf or tanh");
  says(at.complaint("grafted", {"--to", "onnx", "--data", at.folder / "grafted"}), "with --gelu tanh alone");
  says(at.complaint("grafted", {"--to", "torch", "--opset", "13"}), "expected --opset with --to onnx alone");
}

TEST(Export, ToOnnxListsTheOperatorsAndMeasuresGeluByTanh) {
  const TemporaryFolder folder;
  save_graft(folder / "grafted", graft_of_all_sites(testing::small_vit()));
  const auto exported = [&](std::vector<std::string> options) {
    std::vector<std::string> arguments = {"export", folder / "grafted", "--to",  "onnx",
                                          "-o",     folder / "onnx",    "--json"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const auto outcome = run_program(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return Json::parse(outcome.out);
  };
  const Json by_erf = exported({"--batch", "dynamic"});
  EXPECT_EQ(by_erf["operators"]["Softmax"], 2);
  EXPECT_FALSE(by_erf["operators"].contains("ReduceMean"));
  EXPECT_FALSE(by_erf.contains("gelu"));
  EXPECT_TRUE(std::filesystem::exists(by_erf["file"].get<std::string>()));
  const Json by_tanh = exported({"--gelu", "tanh"});
  EXPECT_EQ(by_tanh["operators"]["Tanh"].get<int>(), by_erf["operators"].value("Tanh", 0) + 2);
  EXPECT_GT(by_tanh["gelu"]["error"].get<double>(), 0);
  EXPECT_LT(by_tanh["gelu"]["error"].get<double>(), 1e-2);
  EXPECT_GT(by_tanh["gelu"]["agreement"].get<double>(), 0.9);
}

}  // namespace
}  // namespace normgraft
