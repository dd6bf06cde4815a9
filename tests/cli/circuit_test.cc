#include <gtest/gtest.h>

#include "command_line.h"
#include "normgraft/core/files.h"
#include "support/temporary_folder.h"

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

TEST(CircuitCommand, RefusesFormatsAndFunctionsInOneLine) {
  const auto complaint = [](const std::vector<std::string>& arguments) {
    const auto outcome = run_program(arguments);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    return outcome.err;
  };
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
