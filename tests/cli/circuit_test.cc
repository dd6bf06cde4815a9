#include <fmt/format.h>
#include <gtest/gtest.h>

#include <regex>
#include <tuple>

#include "command_line.h"
#include "normgraft/core/files.h"
#include "support/temporary_folder.h"
#include "support/verilator.h"

namespace normgraft {
namespace {

using testing::TemporaryFolder;

TEST(CircuitCommand, TellsFormatsErrorAndAreaAndWritesAUnit) {
  const TemporaryFolder folder;
  const auto outcome = run_program({"circuit", "min(x, 1.5)", "--x", "16.12", "--y", "8.4", "--profile",
                                    "ice40", "-o", folder / "unit", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json json = Json::parse(outcome.out);
  EXPECT_EQ(json["function"], "min(x, 1.5)");
  EXPECT_EQ(json["unit"], "LUT4");
  EXPECT_GT(json["area"], 10);
  EXPECT_LT(json["area"], 100);
  ASSERT_EQ(json["nodes"].size(), 3u);
  EXPECT_EQ(json["nodes"][0]["bits"], 16);
  EXPECT_EQ(json["nodes"][2]["of"], Json::parse("[0, 1]"));
  EXPECT_LE(json["largest_error"], 1.0 / 16);
  EXPECT_TRUE(std::filesystem::exists(folder / ("unit/" + json["module"].get<std::string>() + ".v")));
}

TEST(CircuitCommand, TellsTheAreaOnAChipWithMultipliers) {
  const auto area = [](const std::string& function, const std::string& profile) {
    const auto outcome = run_program({"circuit", function, "--profile", profile, "--json"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return Json::parse(outcome.out)["area"].get<double>();
  };
  EXPECT_GT(area("x*r", "ecp5"), area("x", "ecp5"));
  EXPECT_NE(area("x*r", "ecp5"), area("x*r", "ice40"));
}

TEST(CircuitCommand, WritesALayerNormUnitThatIsAtMostOneCodeFromTheInterpreter) {
  const TemporaryFolder folder;
  for (const auto& [channels, x, y] : {std::tuple{"192", "16", "8"}, {"64", "8", "8.5"}}) {
    SCOPED_TRACE(channels);
    const auto outcome = run_program(
        {"circuit", "--layernorm", channels, "--x", x, "--y", y, "-o", folder / channels, "--json"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const Json json = Json::parse(outcome.out);
    const std::string module = json["module"];
    EXPECT_TRUE(std::filesystem::exists(folder.path() / channels / (module + ".v")));
    if (!testing::has_verilator()) continue;
    const auto made = testing::make(folder.path() / channels, module + ".lint " + module + ".simulated");
    EXPECT_TRUE(made.succeeds) << made.says;
    EXPECT_TRUE(std::regex_search(
        made.says, std::regex(fmt::format("first after {} clocks, .* largest difference [01]\n",
                                          json["clocks"].get<int>()))))
        << made.says;
  }
}

TEST(CircuitCommand, TellsWhatALayerNormUnitIsAndTakes) {
  const auto outcome = run_program({"circuit", "--layernorm", "192", "--profile", "ice40"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const char* text : {"LayerNorm of tokens of 192 channels", "x: 16 bits, 9 behind the point",
                           "y: 8 bits, 3 behind the point", "first output after 256 clocks", " LUT4 and ",
                           " bits of block RAM"}) {
    EXPECT_NE(outcome.out.find(text), std::string::npos) << text << "\n" << outcome.out;
  }
}

std::string complaint(const std::vector<std::string>& arguments) {
  const auto outcome = run_program(arguments);
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  return outcome.err;
}

TEST(CircuitCommand, RefusesALayerNormThatIsNoUnitInOneLine) {
  const auto says = [](std::vector<std::string> arguments, const char* text) {
    arguments.insert(arguments.begin(), "circuit");
    const std::string said = complaint(arguments);
    EXPECT_NE(said.find(text), std::string::npos) << said;
  };
  says({"--layernorm", "63"}, "LayerNorm of 63 channels: expected 64 to 32768");
  says({"--layernorm", "-3"}, "LayerNorm of -3 channels: expected 64 to 32768");
  says({"--layernorm", "32769"}, "LayerNorm of 32769 channels: expected 64 to 32768");
  says({"--layernorm", "many"}, "--layernorm");
  says({"--layernorm", "9999999999999999999999"}, "expected 64 to 32768");
  says({"--layernorm", "192", "--x", "12"}, "LayerNorm with x of 12 bits: expected 8 or 16");
  says({"--layernorm", "192", "--y", "16"}, "LayerNorm with y of 16 bits: expected 8");
  says({"--layernorm", "192", "--x", "x"}, "circuit --x x: expected bits");
  says({"x", "--layernorm", "192"}, "expression excludes --layernorm");
  says({"--layernorm", "192", "--r", "16.9"}, "--layernorm excludes --r");
  says({"--layernorm", "192", "--profile", "flops"}, "expected a profile of circuits");
  says({}, "circuit: expected EXPRESSION or --layernorm D");
}

TEST(CircuitCommand, RefusesFormatsAndFunctionsInOneLine) {
  EXPECT_NE(complaint({"circuit", "x", "--x", "16"})
                .find("circuit --x 16: expected bits and those behind the point"),
            std::string::npos);
  EXPECT_NE(complaint({"circuit", "x", "--y", "64.4"}).find("circuit --y 64.4"), std::string::npos);
  EXPECT_NE(complaint({"circuit", "log2(x)"}).find("not proved finite"), std::string::npos);
  EXPECT_NE(complaint({"circuit", "x", "--profile", "flops"}).find("expected a profile of circuits"),
            std::string::npos);
}

}  // namespace
}  // namespace normgraft
