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

constexpr int kBits = 5;

void run(const std::vector<std::string>& arguments) {
  const auto outcome = run_program(arguments);
  ASSERT_EQ(outcome.code, 0) << arguments[0] << ": " << outcome.err;
}

bool is_on_grid(double value) {
  const double multiple = std::ldexp(value, kBits);
  return multiple == std::nearbyint(multiple);
}

/// Expects all constants on the grid, and more than one a function.
void expect_on_grid(const Functions& functions, const std::string& where) {
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

TEST(FractionBits, AskedForInTheSearchHoldFromThereToTheExportedFile) {
  const TemporaryFolder folder;
  save_model(folder / "model", testing::small_vit());
  testing::write_small_pictures(folder / "pictures", 3, 12);
  const Path root(folder / "run");
  const std::string path = root.string(), pictures = folder / "pictures";
  run({"capture", folder / "model", "--data", pictures, "-o", path});
  run({"evolve", path, "--population", "60", "--generations", "5", "--seeds", "1", "--fraction-bits",
       fmt::to_string(kBits)});
  run({"select", path});
  run({"graft", path, "--calibrate", "none", "-o", folder / "uncalibrated"});
  run({"graft", path, "--calibrate", "sequential"});
  run({"realign", path, "--train", pictures, "--mode", "constants", "--epochs", "2", "--rate", "0.02"});
  run({"export", root / "realigned", "--to", "torch", "-o", folder / "exported"});

  expect_on_grid(functions_in(folder / "uncalibrated"), "selected");
  expect_on_grid(functions_in(root / "grafted"), "calibrated");
  expect_on_grid(functions_in(root / "realigned" / "last"), "after training");
  expect_on_grid(functions_in(root / "realigned"), "re-aligned");
  // Training has moved constants, and they are on the grid nevertheless.
  EXPECT_NE(functions_in(root / "realigned" / "last"), functions_in(root / "grafted"));
  EXPECT_EQ(read_functions(root / "realigned" / "functions.json").grid.fraction_bits, kBits);

  const std::string source = read_file(folder / "exported/graft.py", "export");
  const std::regex full("full_like\\(x, (-?[0-9.e+-]+)\\)");
  size_t found = 0;
  for (std::sregex_iterator it(source.begin(), source.end(), full), end; it != end; ++it, ++found) {
    EXPECT_TRUE(is_on_grid(std::stod((*it)[1]))) << (*it)[0];
  }
  EXPECT_GT(found, 0U);
}

}  // namespace
}  // namespace normgraft
