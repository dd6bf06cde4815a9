// The Verilog of norm sites and activations: linted and simulated by Verilator against the interpreter.
#include <gtest/gtest.h>

#include <regex>

#include "normgraft/core/files.h"
#include "normgraft/emit/verilog_exporter.h"
#include "support/input_error.h"
#include "support/integer_programs.h"
#include "support/temporary_folder.h"
#include "support/verilator.h"

namespace normgraft {
namespace {

using testing::has_verilator;
using testing::IntegerShape;
using testing::Made;
using testing::make;
using testing::TemporaryFolder;

/// One site of each kind and an activation.
IntegerProgram small_program(uint64_t seed) {
  Random random({81, seed});
  IntegerShape shape;
  shape.depth = 1;
  return testing::random_integer_program(shape, random);
}

const VerilogUnit& unit_of(const std::vector<VerilogUnit>& units, const std::string& kind) {
  for (const VerilogUnit& unit : units)
    if (unit.kind == kind) return unit;
  throw std::runtime_error("no such unit");
}

template <typename Step>
Step& step_in(IntegerProgram& program) {
  for (PlacedStep& each : program.steps) {
    if (auto* step = std::get_if<Step>(&each.step)) return *step;
  }
  throw std::runtime_error("no such step");
}

/// A LayerNorm as quantize makes it: eps and unit of DeiT-Tiny.
NormStep usual_norm() {
  NormStep step;
  step.eps = 6328041;
  step.rescale = {1382376726, 43};
  return step;
}

/// Exports, simulates the unit of a kind, and expects it to agree.
void expect_unit_agrees(const IntegerProgram& program, const std::string& kind, const std::string& says) {
  if (!has_verilator()) GTEST_SKIP() << "there is no verilator";
  check(program);
  const TemporaryFolder folder;
  const VerilogUnit unit = unit_of(write_verilog(program, folder.path()), kind);
  const Made made = make(folder.path(), unit.module + ".simulated");
  ASSERT_TRUE(made.succeeds) << made.says;
  EXPECT_TRUE(std::regex_search(made.says, std::regex(says))) << made.says;
}

TEST(VerilogExport, IsLintedCleanInEveryUnit) {
  if (!has_verilator()) GTEST_SKIP() << "there is no verilator";
  for (uint64_t i = 0; i < 4; ++i) {
    SCOPED_TRACE(i);
    Random random({82, i});
    const TemporaryFolder folder;
    std::string targets;
    for (const VerilogUnit& unit : write_verilog(testing::random_integer_program(random), folder.path()))
      targets += unit.module + ".lint ";
    const Made made = make(folder.path(), targets);
    EXPECT_TRUE(made.succeeds) << made.says;
    EXPECT_EQ(made.says, "");
  }
}

/// The file with a bit of the first knot of its table the other way.
void break_one_bit(const Path& file) {
  std::string text = read_file(file, "Verilog");
  std::smatch entry;
  ASSERT_TRUE(std::regex_search(text, entry, std::regex("entry <= \\{\\d+'h([0-9a-f])")));
  char& digit = text[static_cast<size_t>(entry.position(1))];
  const std::string digits = "0123456789abcdef";
  digit = digits[digits.find(digit) ^ 1];
  write_atomically(file, text);
}

TEST(VerilogExport, OfAScaleGivesTheCodesOfTheInterpreterForAllCodesOfRAndOfXUnlessABitIsWrong) {
  if (!has_verilator()) GTEST_SKIP() << "there is no verilator";
  const TemporaryFolder folder;
  const VerilogUnit unit = unit_of(write_verilog(small_program(0), folder.path()), "scale");
  const Made whole = make(folder.path(), unit.module + ".simulated");
  ASSERT_TRUE(whole.succeeds) << whole.says;
  EXPECT_EQ(
      whole.says,
      unit.module + ": 393219 codes, first after 4 clocks, 1.000 clocks a code, largest difference 0\n");
  break_one_bit(folder / (unit.module + ".v"));
  const Made broken = make(folder.path(), unit.module + ".simulated");
  EXPECT_FALSE(broken.succeeds);
  EXPECT_NE(broken.says.find(", expected "), std::string::npos) << broken.says;
}

TEST(VerilogExport, OfAScaleGivesThemForKnotsAsFarApartAsTheyCanBe) {
  IntegerProgram program = small_program(1);
  ScaleStep& step = step_in<ScaleStep>(program);
  std::vector<int32_t>& g = program.tensors.at(step.g.knots).values32;
  for (size_t i = 0; i < g.size(); ++i) g[i] = i % 2 == 0 ? INT32_MIN : INT32_MAX;
  step.shift = 44;
  expect_unit_agrees(program, "scale", "393219 codes, first after 4 clocks, .* largest difference 0");
}

TEST(VerilogExport, OfAScaleGivesThemWithoutTheLowerBitsOfRAndX) {
  struct Case {
    int r_cut, x_cut, shift;
    bool floors;
  };
  for (const Case& each :
       {Case{8, 4, 20, true}, Case{6, 3, 18, false}, Case{0, 5, 2, true}, Case{9, 0, 40, true}}) {
    SCOPED_TRACE(fmt::format("{}, {}, {}", each.r_cut, each.x_cut, each.shift));
    IntegerProgram program = small_program(1);
    ScaleStep& step = step_in<ScaleStep>(program);
    step.r_cut = each.r_cut;
    step.x_cut = each.x_cut;
    step.floors = each.floors;
    step.g.shift = 0;
    step.g.low = -15;
    step.shift = each.shift;
    expect_unit_agrees(program, "scale", "393219 codes, first after 4 clocks, .* largest difference 0");
  }
}

TEST(VerilogExport, OfACurveGivesTheCodesOfTheInterpreterForAllCodes) {
  expect_unit_agrees(small_program(2), "curve",
                     "65536 codes, first after 4 clocks, 1.000 clocks a code, largest difference 0");
}

TEST(VerilogExport, OfALayerNormIsAtMostOneCodeFromTheInterpreterAtOneElementAClock) {
  Random random({83});
  IntegerShape shape;
  shape.depth = 1;
  shape.channels = 192;
  shape.site = 2;
  shape.bits = 8;
  IntegerProgram program = testing::random_integer_program(shape, random);
  NormStep& step = step_in<NormStep>(program);
  NormStep usual = usual_norm();
  usual.from = step.from;
  usual.to = step.to;
  usual.rows = step.rows;
  step = usual;
  expect_unit_agrees(program, "norm",
                     "10368 codes, first after 256 clocks, 1.000 clocks a code, largest difference [01]\n");
}

TEST(VerilogExport, GivesStepsOfTheSameNumbersOneModuleAndNamesTheirPlaces) {
  IntegerProgram program = small_program(4);
  std::vector<PlacedStep> twice;
  for (const PlacedStep& each : program.steps) {
    twice.push_back(each);
    if (std::holds_alternative<ScaleStep>(each.step)) twice.push_back({"again", each.step});
  }
  program.steps = twice;
  const TemporaryFolder folder;
  const std::vector<VerilogUnit> units = write_verilog(program, folder.path());
  const VerilogUnit& scale = unit_of(units, "scale");
  ASSERT_EQ(scale.places.size(), 2u);
  EXPECT_EQ(scale.places[1], "again");
  const Json index = Json::parse(read_file(folder / "units.json", "index"));
  EXPECT_EQ(index["version"], 1);
  ASSERT_EQ(index["units"].size(), units.size());
  for (size_t i = 0; i < units.size(); ++i) {
    EXPECT_EQ(index["units"][i]["module"], units[i].module);
    EXPECT_EQ(index["units"][i]["places"], units[i].places);
    EXPECT_TRUE(std::filesystem::exists(folder / (units[i].module + ".v")));
  }
}

TEST(VerilogExport, LintsWhateverPlacesAreCalled) {
  if (!has_verilator()) GTEST_SKIP() << "there is no verilator";
  IntegerProgram program = small_program(5);
  const char* const names[] = {"*/ `error", "two\nlines", "caf\u00e9", "a.b", "a_b"};
  for (size_t i = 0; i < program.steps.size(); ++i) program.steps[i].place = names[i % std::size(names)];
  program.sites.clear();
  const TemporaryFolder folder;
  std::string targets;
  for (const VerilogUnit& unit : write_verilog(program, folder.path())) targets += unit.module + ".lint ";
  const Made made = make(folder.path(), targets);
  EXPECT_TRUE(made.succeeds) << made.says;
}

TEST(VerilogExport, RefusesCodesOf32BitsAndNetworksWithoutSitesWritingNothing) {
  const TemporaryFolder folder;
  IntegerProgram program = small_program(6);
  const ScaleStep step = step_in<ScaleStep>(program);
  program.buffers[static_cast<size_t>(step.to)].bits = 32;
  const std::string complaint = testing::input_error([&] { write_verilog(program, folder / "out"); });
  EXPECT_TRUE(std::regex_match(
      complaint, std::regex("export --to verilog: .* has codes of 32 bits, expected at most 16")))
      << complaint;
  program.steps.clear();
  EXPECT_EQ(testing::input_error([&] { write_verilog(program, folder / "out"); }),
            "export --to verilog: the network has neither norm sites nor activations");
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

}  // namespace
}  // namespace normgraft
