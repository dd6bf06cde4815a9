#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <regex>

#include "command_line.h"
#include "normgraft/graft/functions.h"
#include "normgraft/models/model_folder.h"
#include "support/small_model.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::run_program;
using testing::TemporaryFolder;

void run(const std::vector<std::string>& arguments) {
  const auto outcome = run_program(arguments);
  ASSERT_EQ(outcome.code, 0) << arguments[0] << ": " << outcome.err;
}

bool is_multiple(double value, double unit) {
  return value / unit == std::nearbyint(value / unit);
}

/// A grid as the command line asks for it, and what is on it.
struct Asked {
  const char* option;
  const char* value;
  ConstantGrid grid;
  bool (*is_on_grid)(double);
};

class ConstantsOnAGrid : public ::testing::TestWithParam<Asked> {};

/// Expects all constants on the grid, and more than one a function.
void expect_on_grid(const Functions& functions, bool (*is_on_grid)(double), const std::string& where) {
  size_t constants = 0;
  for (const auto& [site, f] : functions) {
    for (const float c : f.constants()) {
      EXPECT_TRUE(is_on_grid(c)) << where << ", " << site << ": " << f.to_string();
      ++constants;
    }
  }
  EXPECT_GT(constants, functions.size()) << where;
}

Functions functions_in(const Path& folder) {
  return read_functions(folder / "functions.json").functions;
}

TEST_P(ConstantsOnAGrid, StayThereFromTheSearchToTheExportedFile) {
  const auto& [option, value, grid, is_on_grid] = GetParam();
  const TemporaryFolder folder;
  save_model(folder / "model", testing::small_vit());
  testing::write_small_pictures(folder / "pictures", 3, 12);
  const Path root(folder / "run");
  const std::string path = root.string(), pictures = folder / "pictures";
  run({"capture", folder / "model", "--data", pictures, "-o", path});
  run({"evolve", path, "--population", "60", "--generations", "5", "--seeds", "1", option, value});
  run({"select", path});
  run({"graft", path, "--calibrate", "none", "-o", folder / "uncalibrated"});
  run({"graft", path, "--calibrate", "sequential"});
  run({"realign", path, "--train", pictures, "--mode", "constants", "--epochs", "2", "--rate", "0.02"});
  run({"export", root / "realigned", "--to", "torch", "-o", folder / "exported"});

  expect_on_grid(functions_in(folder / "uncalibrated"), is_on_grid, "selected");
  expect_on_grid(functions_in(root / "grafted"), is_on_grid, "calibrated");
  expect_on_grid(functions_in(root / "realigned" / "last"), is_on_grid, "after training");
  expect_on_grid(functions_in(root / "realigned"), is_on_grid, "re-aligned");
  // Training has moved constants, and they are on the grid nevertheless.
  EXPECT_NE(functions_in(root / "realigned" / "last"), functions_in(root / "grafted"));
  EXPECT_EQ(read_functions(root / "realigned" / "functions.json").grid, grid);

  const std::string source = read_file(folder / "exported/graft.py", "export");
  const std::regex full("full_like\\(x, (-?[0-9.e+-]+)\\)");
  size_t found = 0;
  for (std::sregex_iterator it(source.begin(), source.end(), full), end; it != end; ++it, ++found) {
    EXPECT_TRUE(is_on_grid(std::stod((*it)[1]))) << (*it)[0];
  }
  EXPECT_GT(found, 0U);
}

INSTANTIATE_TEST_SUITE_P(Grids, ConstantsOnAGrid,
                         ::testing::Values(Asked{"--fraction-bits",
                                                 "5",
                                                 {.fraction_bits = 5},
                                                 [](double v) { return is_multiple(v, 0x1p-5); }},
                                           Asked{"--constants", "csd:3", {.signed_digits = 3}, [](double v) {
                                                   return is_multiple(v, 0x1p-16) &&
                                                          signed_digits(static_cast<float>(v)) <= 3;
                                                 }}));

TEST(ConstantsOption, AgainstAnotherOfItsKindOrOfNoKindIsRefused) {
  const auto refusal = [](std::vector<std::string> options) {
    options.insert(options.begin(), {"evolve", "no-run"});
    const auto outcome = run_program(options);
    EXPECT_EQ(outcome.code, 2);
    return outcome.err;
  };
  EXPECT_NE(refusal({"--constants", "csd:9"}).find("constants csd:9: expected any, digits:1"),
            std::string::npos);
  EXPECT_NE(refusal({"--constants", "csd:2", "--digits", "3"}).find("--digits"), std::string::npos);
  EXPECT_NE(refusal({"--signed-digits", "2", "--fraction-bits", "3"}).find("--signed-digits"),
            std::string::npos);
}

}  // namespace
}  // namespace normgraft
