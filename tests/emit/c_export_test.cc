// The C of a network of integers against the reference interpreter, on this machine and on others.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <regex>
#include <sstream>

#include "normgraft/core/files.h"
#include "normgraft/emit/c_exporter.h"
#include "normgraft/integer/interpreter.h"
#include "support/input_error.h"
#include "support/integer_programs.h"
#include "support/temporary_folder.h"

namespace normgraft {
namespace {

using testing::TemporaryFolder;

constexpr const char* kWarnings = "-std=c99 -Wall -Wextra -Wconversion -Wpedantic -Wshadow -Werror";

/// A compiler, and what runs what it makes.
struct Machine {
  std::string name, compiler, runner;
};

void PrintTo(const Machine& machine, std::ostream* out) {
  *out << machine.name;
}

/// A command of the shell; fails with what it said.
void run_command(const std::string& command, const Path& folder) {
  const std::string said = (folder / "said.txt").string();
  ASSERT_EQ(std::system(fmt::format("cd '{}' && ( {} ) 2> '{}'", folder.string(), command, said).c_str()), 0)
      << command << "\n"
      << read_file(said, "output");
}

bool is_installed(const std::string& command) {
  const std::string word = command.substr(0, command.find(' '));
  return std::system(fmt::format("command -v {} > /dev/null", word).c_str()) == 0;
}

std::string as_bytes(const std::vector<int32_t>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(int32_t)};
}

/// Exports, compiles with the driver, and compares the logits of some pictures.
void expect_equal_to_interpreter(const IntegerProgram& program, const Machine& machine, CWeights weights,
                                 Random& random) {
  check(program);
  prove_no_overflow(program);
  const TemporaryFolder folder;
  write_c(program, folder.path(), weights);
  std::string codes, expected;
  for (int picture = 0; picture < 8; ++picture) {
    const std::vector<int8_t> drawn = testing::random_codes(program, random);
    codes.append(reinterpret_cast<const char*>(drawn.data()), drawn.size());
    expected += as_bytes(interpret(program, drawn));
  }
  write_atomically(folder / "codes", codes);
  run_command(
      fmt::format("{} {} -I. -o driver {}/tests/emit/c_driver.c network.c {}", machine.compiler, kWarnings,
                  NORMGRAFT_SOURCE_DIR, weights == CWeights::kBinary ? "network_weights.S" : ""),
      folder.path());
  run_command(machine.runner + " ./driver codes > logits", folder.path());
  ASSERT_TRUE(read_file(folder / "logits", "logits") == expected);
}

class CExportOn : public ::testing::TestWithParam<Machine> {
 protected:
  void SetUp() override {
    for (const std::string& command : {GetParam().compiler, GetParam().runner}) {
      if (!command.empty() && !is_installed(command)) GTEST_SKIP() << "there is no " << command;
    }
  }
};

TEST_P(CExportOn, GivesTheLogitsOfTheInterpreterBitByBit) {
  for (uint64_t i = 0; i < 4; ++i) {
    SCOPED_TRACE(i);
    Random random({61, i});
    const IntegerProgram program = testing::random_integer_program(random);
    const CWeights weights = i == 2 ? CWeights::kBinary : CWeights::kArray;
    expect_equal_to_interpreter(program, GetParam(), weights, random);
    if (HasFatalFailure()) return;
  }
}

/// A program's first step of that kind.
template <typename Step>
const Step& first_step(const IntegerProgram& program) {
  for (const PlacedStep& each : program.steps) {
    if (const auto* step = std::get_if<Step>(&each.step)) return *step;
  }
  throw std::runtime_error("no such step");
}

TEST_P(CExportOn, GivesTheLogitsOfTheInterpreterAtTheEndsOfRanges) {
  Random random({62});
  IntegerProgram program = testing::random_integer_program(testing::IntegerShape(), random);
  // Constants of another width than what they fill, knots as far apart as they can be, sums of
  // squares below 1, units of any sign.
  IntegerTensor& fill = program.tensors.at(first_step<FillStep>(program).tensor);
  fill.bits = 8;
  for (const int16_t value : fill.values16) fill.values8.push_back(static_cast<int8_t>(value / 256));
  fill.values16.clear();
  std::vector<int32_t>& g = program.tensors.at(first_step<ScaleStep>(program).g.knots).values32;
  for (size_t i = 0; i < g.size(); ++i) g[i] = i % 2 == 0 ? INT32_MIN : INT32_MAX;
  std::vector<int16_t>& f = program.tensors.at("blocks.0.mlp.act").values16;
  for (size_t i = 0; i < f.size(); ++i) f[i] = i % 2 == 0 ? INT16_MIN : INT16_MAX;
  std::vector<int32_t>& number = program.tensors.at(first_step<FirstSpreadStep>(program).number).values32;
  for (size_t i = 0; i < number.size(); i += 2) number[i] = INT32_MIN;
  for (const PlacedStep& each : program.steps) {
    const auto* step = std::get_if<LinearStep>(&each.step);
    if (!step) continue;
    program.tensors.at(step->multiplier).values32[0] = INT32_MIN;
    program.tensors.at(step->shift).values8[0] = 62;
    program.tensors.at(step->multiplier).values32.back() = INT32_MAX;
    program.tensors.at(step->shift).values8.back() = 0;
    program.tensors.at(step->weight).values8[0] = INT8_MIN;
  }
  expect_equal_to_interpreter(program, GetParam(), CWeights::kArray, random);
}

const Machine kMachines[] = {
    {"gcc", "gcc -O3", ""},
    {"clang", "clang -O3", ""},
    {"sanitizers", "gcc -O1 -fsanitize=undefined,address -fno-sanitize-recover=all", ""},
    {"arm", "arm-linux-gnueabihf-gcc -O2 -static", "qemu-arm"},
    {"aarch64", "aarch64-linux-gnu-gcc -O2 -static", "qemu-aarch64"}};

INSTANTIATE_TEST_SUITE_P(Machines, CExportOn, ::testing::ValuesIn(kMachines),
                         [](const auto& each) { return each.param.name; });

/// Functions of the C library and of the compiler's that whole numbers may need.
bool is_harmless(const std::string& symbol) {
  static const std::regex kHarmless(
      "memcpy|memset|memmove|__aeabi_(mem(cpy|set|clr|move)[48]?|u?l?divmod|u?idiv(mod)?|lmul|llsl|llsr|"
      "lasr)");
  return std::regex_match(symbol, kHarmless);
}

TEST(CExport, HasNoFloatingPointAndAllocatesNothing) {
  for (uint64_t i = 0; i < 2; ++i) {
    Random random({63, i});
    const TemporaryFolder folder;
    write_c(testing::random_integer_program(random), folder.path());
    const std::string text = read_file(folder / "network.c", "C") + read_file(folder / "network.h", "C");
    for (const char* word : {"float", "double", "alloc"})
      EXPECT_EQ(text.find(word), std::string::npos) << word;
    for (const char* compiler : {"gcc", "clang", "arm-linux-gnueabihf-gcc"}) {
      if (!is_installed(compiler)) GTEST_SKIP() << "there is no " << compiler;
      run_command(fmt::format("{} -std=c99 -O2 -c network.c && nm -u -P network.o > needed", compiler),
                  folder.path());
      std::istringstream needed(read_file(folder / "needed", "symbols"));
      for (std::string line; std::getline(needed, line);) {
        const std::string symbol = line.substr(0, line.find(' '));
        EXPECT_TRUE(is_harmless(symbol)) << compiler << ": " << symbol;
      }
    }
  }
}

/// What classify, built by the Makefile, says of a picture.
std::string classified(const IntegerProgram& program, CWeights weights, const std::string& rgb) {
  const TemporaryFolder folder;
  write_c(program, folder.path(), weights);
  write_atomically(folder / "picture.rgb", rgb);
  run_command("make CFLAGS='-O1 -Werror' > made && ./classify picture.rgb > classes", folder.path());
  return ::testing::Test::HasFatalFailure() ? "" : read_file(folder / "classes", "classes");
}

TEST(CExport, ClassifiesAFileOfRawRgbByItsMakefile) {
  Random random({64});
  IntegerProgram program = testing::random_integer_program(testing::IntegerShape(), random);
  program.class_names = {"a \"quoted\" one", "back\\slash %s", "caf\u00e9", "two\tparts?\?/", "*/ 012"};
  const std::vector<int8_t> codes = testing::random_codes(program, random);
  const size_t pixels = codes.size() / 3;
  std::string rgb;
  for (size_t i = 0; i < pixels; ++i) {
    for (size_t colour = 0; colour < 3; ++colour) rgb += static_cast<char>(codes[colour * pixels + i] + 128);
  }
  const std::vector<int32_t> logits = interpret(program, codes);
  std::vector<size_t> order = {0, 1, 2, 3, 4};
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return logits[a] > logits[b]; });
  std::string expected;
  for (const size_t c : order) expected += fmt::format("{}\t{}\n", logits[c], program.class_names[c]);
  EXPECT_EQ(classified(program, CWeights::kArray, rgb), expected);
  EXPECT_EQ(classified(program, CWeights::kBinary, rgb), expected);
  const TemporaryFolder folder;
  write_c(program, folder.path());
  for (const std::string& wrong : {rgb + "x", rgb.substr(1)}) {
    write_atomically(folder / "picture.rgb", wrong);
    run_command("make > made && ./classify picture.rgb; [ $? = 2 ]", folder.path());
  }
}

TEST(CExport, CompilesWhateverPlacesAndBuffersAreCalled) {
  Random random({65});
  IntegerProgram program = testing::random_integer_program(testing::IntegerShape(), random);
  const char* const names[] = {"int", "*/ #error", "two\nlines", "\\", "caf\u00e9",
                               "a.b", "a_b",       "a-b",        "_",  "?\?/"};
  for (size_t i = 0; i < program.steps.size(); ++i) program.steps[i].place = names[i % std::size(names)];
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    program.buffers[i].name = std::string(i, 'x') + names[i % std::size(names)];
  }
  program.architecture = "*/ \\\n";
  program.sites.clear();
  const Machine machine{"gcc", "gcc", ""};
  expect_equal_to_interpreter(program, machine, CWeights::kArray, random);
}

TEST(CExport, SaysWhatMemoryTheHeaderAsksFor) {
  Random random({66});
  const IntegerProgram program = testing::random_integer_program(testing::IntegerShape(), random);
  const TemporaryFolder folder;
  const CExport written = write_c(program, folder.path(), CWeights::kBinary);
  EXPECT_NE(read_file(folder / "network.h", "header")
                .find(fmt::format("#define NETWORK_ARENA_BYTES {}\n", written.arena_bytes)),
            std::string::npos);
  EXPECT_EQ(std::filesystem::file_size(folder / "network.weights"), written.constant_bytes);
}

TEST(CExport, RefusesOtherWordsForWhereWeightsAre) {
  EXPECT_EQ(c_weights("array"), CWeights::kArray);
  EXPECT_EQ(c_weights("binary"), CWeights::kBinary);
  EXPECT_EQ(testing::input_error([] { c_weights("flash"); }),
            "export --weights: \"flash\", expected array or binary");
}

}  // namespace
}  // namespace normgraft
