// The Verilog of circuits: linted, and simulated by Verilator over all codes against the integer model.
#include <gtest/gtest.h>

#include <regex>

#include "normgraft/emit/verilog_exporter.h"
#include "support/input_error.h"
#include "support/temporary_folder.h"
#include "support/verilator.h"

namespace normgraft {
namespace {

using testing::Made;
using testing::make;
using testing::TemporaryFolder;

PlacedCircuit circuit_of(const std::string& text, const CircuitPorts& ports = {}, double most_error = 0.5) {
  return {text, Circuit(Expression::parse(text), ports, most_error)};
}

/// Together every operation, with operands of other ages and other bits behind the point.
const char* const kTexts[] = {
    "max(min(1.37*x+0.2, 3), abs(x)-clip(0.3*x, -2, 1.5))-square(0.05*x)",
    "1.3*log2(abs(x)+0.6)-min(0.2*x, 0.1)+exp2(0.06*x)",
    "x/(abs(x)+1)-tanh(0.5*x)",
    "x*(exp2(-0.3*r)+0.01*r)",
    "min(x*exp(-0.25*r), 0.5*r)+x*0.125",
    "x",
};

TEST(VerilogCircuit, IsLintedCleanForEveryOperation) {
  if (!testing::has_verilator()) GTEST_SKIP() << "there is no verilator";
  std::vector<PlacedCircuit> circuits;
  for (const char* text : kTexts) circuits.push_back(circuit_of(text));
  for (const char* text : {"r", "2.5", "sigmoid(x)", "erf(x)", "sqrt(x+70)", "rsqrt(x+70)", "log(x+70)",
                           "1/(abs(x)+0.5)", "-x", "square(0.1*x)"})
    circuits.push_back(circuit_of(text, {.y = {16, 9}}));
  const TemporaryFolder folder;
  std::string targets;
  for (const VerilogUnit& unit : write_verilog(circuits, 192, folder.path()))
    targets += unit.module + ".lint ";
  const Made made = make(folder.path(), targets);
  EXPECT_TRUE(made.succeeds) << made.says;
  EXPECT_EQ(made.says, "");
}

TEST(VerilogCircuit, GivesTheCodesOfTheIntegerModelForAllCodes) {
  if (!testing::has_verilator()) GTEST_SKIP() << "there is no verilator";
  std::vector<PlacedCircuit> circuits;
  for (const char* text : kTexts) circuits.push_back(circuit_of(text));
  const TemporaryFolder folder;
  for (const VerilogUnit& unit : write_verilog(circuits, 192, folder.path())) {
    SCOPED_TRACE(unit.places[0]);
    const Made made = make(folder.path(), unit.module + ".simulated");
    const bool of_token = Expression::parse(unit.places[0]).reads(Op::kR);
    EXPECT_TRUE(made.succeeds) << made.says;
    EXPECT_EQ(made.says,
              fmt::format("{}: {} codes, first after {} clocks, 1.000 clocks a code, largest difference 0\n",
                          unit.module, of_token ? 393219 : 65536, unit.clocks));
  }
}

/// Whether Verilator sees a multiplication in the product of digits, with what is defined.
bool multiplies(const Path& folder, const std::string& defines) {
  const std::string command =
      fmt::format("cd '{}' && verilator --xml-only {} --Mdir xml normgraft_product.v > /dev/null",
                  folder.string(), defines);
  EXPECT_EQ(std::system(command.c_str()), 0);
  return read_file(folder / "xml/Vnormgraft_product.xml", "tree").find("<mul") != std::string::npos;
}

TEST(VerilogCircuit, GivesTheSameCodesByAMultiplicationWhereThatIsDefined) {
  if (!testing::has_verilator()) GTEST_SKIP() << "there is no verilator";
  const TemporaryFolder folder;
  const std::vector<PlacedCircuit> circuits{circuit_of("x*(exp2(-0.3*r)-0.7)+square(0.2*x)")};
  const VerilogUnit unit = write_verilog(circuits, 192, folder.path())[0];
  EXPECT_FALSE(multiplies(folder.path(), ""));
  EXPECT_TRUE(multiplies(folder.path(), "-DNORMGRAFT_MULTIPLY"));
  for (const char* const defines : {"", " DEFINES=-DNORMGRAFT_MULTIPLY"}) {
    SCOPED_TRACE(defines);
    const Made linted = make(folder.path(), unit.module + ".lint" + defines);
    EXPECT_TRUE(linted.succeeds && linted.says.empty()) << linted.says;
    const Made made = make(folder.path(), unit.module + ".simulated" + defines);
    EXPECT_TRUE(made.succeeds) << made.says;
    EXPECT_NE(made.says.find("largest difference 0\n"), std::string::npos) << made.says;
  }
}

TEST(VerilogCircuit, OfOneWrongComparisonIsFoundOut) {
  if (!testing::has_verilator()) GTEST_SKIP() << "there is no verilator";
  const TemporaryFolder folder;
  const std::vector<PlacedCircuit> circuits{circuit_of("min(x, 1.5)", {.y = {16, 9}})};
  const VerilogUnit unit = write_verilog(circuits, 192, folder.path())[0];
  const Path file = folder / (unit.module + ".v");
  std::string text = read_file(file, "Verilog");
  const std::string comparison = "$signed(n2_left) <";
  const size_t place = text.find(comparison);
  ASSERT_NE(place, std::string::npos) << text;
  text[place + comparison.size() - 1] = '>';
  write_atomically(file, text);
  EXPECT_FALSE(make(folder.path(), unit.module + ".simulated").succeeds);
}

TEST(VerilogCircuit, StatesItsFormatsAndItsErrorInTheIndex) {
  const TemporaryFolder folder;
  const PlacedCircuit placed = circuit_of("0.5*x");
  const std::vector<VerilogUnit> units =
      write_verilog({placed, {"blocks.1.norm1", placed.circuit}}, 192, folder.path());
  ASSERT_EQ(units.size(), 1u);
  EXPECT_EQ(units[0].places, (std::vector<std::string>{"0.5*x", "blocks.1.norm1"}));
  const Json index = Json::parse(read_file(folder / "units.json", "index"));
  EXPECT_EQ(index["functions"]["blocks.1.norm1"],
            Json::parse(
                R"({"function": "0.5*x", "x": {"bits": 16, "fraction": 9}, "r": {"bits": 16, "fraction": 12},
                            "y": {"bits": 8, "fraction": 4}, "largest_error": 0.0625})"));
}

TEST(VerilogCircuit, RefusesNoCircuitsAndCodesOfMoreThan16BitsWritingNothing) {
  const TemporaryFolder folder;
  EXPECT_EQ(testing::input_error([&] { write_verilog(std::vector<PlacedCircuit>{}, 4, folder / "out"); }),
            "export --to verilog: the network has no functions in place of norms");
  EXPECT_EQ(testing::input_error([&] {
              write_verilog({circuit_of("x", {.x = {18, 9}})}, 4, folder / "out");
            }),
            "export --to verilog: x has codes of 18 bits, expected at most 16");
  EXPECT_EQ(testing::input_error([&] {
              write_verilog({circuit_of("x*r", {.r = {8, 4}})}, 4, folder / "out");
            }),
            "export --to verilog: x*r has an r of 8 bits, expected 16 as x has");
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

}  // namespace
}  // namespace normgraft
