#include "normgraft/emit/exporter.h"

#include <limits>
#include <set>

#include "emit/exported.h"
#include "normgraft/core/error.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::FunctionMap;
using testing::TemporaryFolder;
using testing::tensors_for;

std::string refusal(const FunctionMap& functions, const ExportTensors& tensors, NumberFormat format = {},
                    const std::map<std::string, Carried>& carried = {}) {
  const TemporaryFolder folder;
  try {
    exporter("torch").write({functions, format, tensors, carried}, folder.path());
  } catch (const InputError& error) {
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
    return error.what();
  }
  return "";
}

TEST(Exporters, HaveUniqueNamesByWhichTheyAreFound) {
  std::set<std::string_view> names;
  for (const Exporter* each : exporters()) {
    EXPECT_TRUE(names.insert(each->name()).second) << each->name();
    EXPECT_EQ(&exporter(each->name()), each);
    EXPECT_FALSE(each->description().empty()) << each->name();
  }
  EXPECT_TRUE(names.contains("torch"));
}

TEST(Exporters, OfAnUnknownNameListThoseThatExist) {
  try {
    exporter("tape");
    FAIL() << "expected a refusal";
  } catch (const InputError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("\"tape\""), std::string::npos) << message;
    for (const Exporter* each : exporters())
      EXPECT_NE(message.find(each->name()), std::string::npos) << message;
  }
}

TEST(Exporters, RefuseWhatDoesNotFitBeforeAnythingIsWritten) {
  const FunctionMap functions{{"norm", Expression::parse("tanh(x)")}};
  EXPECT_EQ(refusal(functions, tensors_for(functions)), "");
  EXPECT_EQ(refusal({}, {}), "export: no functions, expected one or more");

  ExportTensors tensors = tensors_for(functions);
  tensors.erase("norm.bias");
  EXPECT_EQ(refusal(functions, tensors), "export: tensor \"norm.bias\" is missing");

  constexpr std::array kValues = {1.0F, 2.0F};
  tensors["norm.bias"] = {{2}, kValues};
  EXPECT_EQ(refusal(functions, tensors), "export: tensor \"norm.bias\" has shape [2], expected [1] as gamma");
  tensors["norm.bias"] = {{1, 2}, kValues};
  EXPECT_EQ(refusal(functions, tensors),
            "export: tensor \"norm.bias\" has shape [1, 2], expected one dimension");
  tensors["norm.bias"] = {{3}, kValues};
  EXPECT_EQ(refusal(functions, tensors),
            "export: tensor \"norm.bias\" has 2 values, expected 3 for its shape [3]");
}

TEST(TorchExporter, RefusesNumbersOtherThanFloat32) {
  const FunctionMap functions{{"norm", Expression::parse("tanh(x)")}};
  const NumberFormat other{static_cast<NumberFormat::Kind>(255)};
  EXPECT_NE(refusal(functions, tensors_for(functions), other).find("expected float32"), std::string::npos);
}

TEST(Exporters, RefuseFunctionsOfRWhereNoChannelTellsItWithinARange) {
  const FunctionMap functions{{"norm", Expression::parse("x*rsqrt(r)")}};
  const auto with = [&](const std::map<std::string, Carried>& carried) {
    return refusal(functions, tensors_for(functions), {}, carried);
  };
  const std::string none =
      "export: the function of norm site \"norm\" reads r, expected a channel there that tells it";
  EXPECT_EQ(with({}), none);
  EXPECT_EQ(with({{"norm", {.blind = true}}}), none);
  EXPECT_EQ(with(testing::channels_for(functions, 1, 1)), "");
  EXPECT_EQ(with(testing::channels_for(functions, 2, 1)),
            "export: r of norm site \"norm\" is in [2, 1], expected a finite range");
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(with(testing::channels_for(functions, -infinity, 1)),
            "export: r of norm site \"norm\" is in [-inf, 1], expected a finite range");
  EXPECT_EQ(with(testing::channels_for(functions, 0, infinity)),
            "export: r of norm site \"norm\" is in [0, inf], expected a finite range");
}

TEST(TorchExporter, RefusesANormThatStaysWhereAChannelTellsR) {
  const FunctionMap functions{{"blocks.0.norm1", Expression::parse("x*exp(-r)")}};
  std::map<std::string, Carried> carried = testing::channels_for(functions, 0, 1);
  carried["norm"] = {.blind = true};
  EXPECT_EQ(refusal(functions, tensors_for(functions), {}, carried), "");
  carried["norm"].channel = true;
  EXPECT_EQ(refusal(functions, tensors_for(functions), {}, carried),
            "export torch: norm site \"norm\" keeps its norm, expected a function where a channel tells r");
}

TEST(TorchExporter, GivesEverySiteItsOwnFunctionWhateverItsName) {
  const TemporaryFolder folder;
  const char* const names[] = {"a.b_c",      "a_b.c",       "a.b-c",      "a.b.c",  "a.b.c_2",
                               "\"quoted\"", "back\\slash", "two\nlines", "\"\"\"", "{brace}",
                               "caf\u00e9",  "\U0001F600",  "",           "x",      "torch"};
  FunctionMap functions;
  std::vector<double> expected;
  for (const char* name : names) {
    functions.emplace(name, Expression());
  }
  std::string listed = "EXPECTED = {\n";
  for (auto& [name, f] : functions) {
    f = Expression::parse(fmt::format("x+{}", expected.size()));
    expected.push_back(static_cast<double>(expected.size()) + 0.5);
    std::string bytes;
    for (const char c : name) bytes += fmt::format("{},", static_cast<unsigned char>(c));
    listed += fmt::format("    bytes([{}]).decode(): {:#},\n", bytes, expected.back());
  }
  ASSERT_EQ(functions.size(), std::size(names));
  write_atomically(folder / "expected.py", listed + "}\n");
  testing::export_to_torch(functions, folder.path());
  testing::run_script("check_names.py", folder.path());
}

TEST(TorchExporter, LoadsIntoNetworksWithOtherBiasesAndSaysInOneLineWhatDoesNotFit) {
  const TemporaryFolder folder;
  testing::export_to_torch({{"blocks.0.norm1", Expression::parse("1.3*tanh(0.6*x)")},
                            {"blocks.1.norm2", Expression::parse("x/(1.2+0.3*abs(x))")}},
                           folder.path());
  testing::run_script("check_load.py", folder.path());
}

TEST(TorchExporter, CreatesTheNetworkThatTheFolderDescribes) {
  const TemporaryFolder folder;
  testing::export_to_torch({{"blocks.0.norm1", Expression::parse("1.3*tanh(0.6*x)")},
                            {"blocks.1.norm2", Expression::parse("x/(1.2+0.3*abs(x))")}},
                           folder.path());
  testing::run_script("check_create.py", folder.path());
}

TEST(TorchExporter, GivesFunctionsOfRTheChannelThatTellsIt) {
  const TemporaryFolder folder;
  const FunctionMap functions{{"blocks.0.norm1", Expression::parse("x*exp(-r)")},
                              {"blocks.1.norm2", Expression::parse("sigmoid(r)")},
                              {"norm", Expression::parse("tanh(0.6*x)*r")}};
  ExportTensors tensors = tensors_for(functions);
  const std::vector<float> values(67 * 16);
  const std::span<const float> all = values;
  std::set<std::string> widened;
  for (const std::string mlp : {"blocks.0.mlp.", "blocks.1.mlp."}) {
    tensors[mlp + "fc1.weight"] = {{67, 16}, all};
    tensors[mlp + "fc2.weight"] = {{16, 67}, all};
    widened.insert({mlp + "fc1", mlp + "fc2"});
  }
  tensors["carrier.numbers"] = {{17}, all.first(17)};
  tensors["carrier.projections"] = {{4, 16}, all.first(64)};
  tensors["carrier.scales"] = {{4}, all.first(4)};
  exporter("torch").write({functions, {}, tensors, testing::channels_for(functions, -0.5, 0.25), widened},
                          folder.path());
  testing::run_script("check_channel.py", folder.path());
}

}  // namespace
}  // namespace normgraft
