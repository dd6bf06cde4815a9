// Functions as ONNX operators against the interpreter, in ONNX Runtime.
#include "normgraft/emit/onnx_graph.h"

#include <cmath>
#include <set>

#include "normgraft/core/error.h"
#include "normgraft/emit/onnx_activations.h"
#include "normgraft/emit/onnx_program.h"
#include "support/input_error.h"
#include "support/integer_programs.h"
#include "support/onnx_runtime.h"

namespace normgraft {
namespace {

constexpr int64_t kRows = 7, kChannels = 9;

/// x [1, kRows, kChannels], whose channel 0 is r, in (0, 2).
std::vector<float> rows_with_r() {
  Random random({81});
  std::vector<float> x;
  for (int64_t i = 0; i < kRows * kChannels; ++i)
    x.push_back(static_cast<float>(i % kChannels == 0 ? random.uniform(0.1, 2) : random.uniform(-3, 3)));
  return x;
}

/// What ONNX Runtime makes of f(x, r).
testing::OnnxRun run_function(const Expression& f, const std::vector<float>& x, int opset) {
  const testing::TemporaryFolder folder;
  OnnxGraph graph("function", {.opset = opset, .batch = 1});
  const OnnxValue in = graph.input("x", OnnxType::kFloat, {kRows, kChannels});
  graph.at("f");
  const OnnxValue r = graph.slice(in, 2, 0, 1);
  graph.output("y", graph.node("Identity", {graph.function(f, in, r)}), {kRows, kChannels});
  graph.write(folder / "f.onnx");
  return testing::run_onnx(folder / "f.onnx",
                           {reinterpret_cast<const char*>(x.data()), x.size() * sizeof(float)});
}

void expect_interpreted(const Expression& f, int opset) {
  SCOPED_TRACE(f.to_string());
  const std::vector<float> x = rows_with_r();
  const testing::OnnxRun run = run_function(f, x, opset);
  ASSERT_EQ(run.values.size(), x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double expected = f(x[i], x[i / kChannels * kChannels]);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(run.values[i])) << x[i];
    } else {
      EXPECT_NEAR(run.values[i], expected, 1e-5 * (1 + std::abs(expected))) << x[i];
    }
  }
}

TEST(OnnxFunctions, OfEveryPrimitiveAreItsOwn) {
  if (!testing::onnx_runtime_available()) GTEST_SKIP() << testing::kNoOnnxRuntime;
  const char* const texts[] = {"x+0.25*r",           "0.5-x*x",
                               "-x/(1.2+abs(x))",    "min(x, r)+max(x, 0.3)",
                               "square(x-1)",        "clip(1.5*x+0.1, -1, 2)",
                               "tanh(x)*sigmoid(x)", "erf(0.7*x)",
                               "sqrt(abs(x))",       "rsqrt(square(x)+0.5)",
                               "x*exp(-r)",          "log(abs(x)+0.1)",
                               "2*x/(r+1)",          "x*exp2(-r)",
                               "log2(abs(x)+0.1)"};
  std::set<Op> seen;
  for (const char* text : texts) {
    const Expression f = Expression::parse(text);
    for (const Instruction& step : f.program()) seen.insert(step.op);
    expect_interpreted(f, 13);
  }
  EXPECT_EQ(seen.size(), kOpCount);
}

TEST(OnnxFunctions, OfRAloneOrOfNothingFillTheToken) {
  if (!testing::onnx_runtime_available()) GTEST_SKIP() << testing::kNoOnnxRuntime;
  for (const char* text : {"exp(-r)", "0.5", "x", "r"}) expect_interpreted(Expression::parse(text), 17);
}

TEST(OnnxFunctions, ThatScaleXByAFunctionOfRComputeItOnceAToken) {
  if (!testing::onnx_runtime_available()) GTEST_SKIP() << testing::kNoOnnxRuntime;
  const testing::OnnxRun run = run_function(Expression::parse("2*x*exp(-r)"), rows_with_r(), 13);
  EXPECT_EQ(run.facts["operators"], Json({"Exp", "Identity", "Mul", "Neg", "Slice"}));
  EXPECT_EQ(run.facts["nodes"], 6) << "one Mul of all channels beside that of 2 and g(r)";
}

TEST(OnnxOptions, AreWhatTheWordsSayOrARefusalThatNamesTheRange) {
  EXPECT_EQ(onnx_options(13, "dynamic").batch, 0);
  EXPECT_EQ(onnx_options(17, "8").batch, 8);
  EXPECT_EQ(onnx_options(17, "8").opset, 17);
  for (const int64_t opset : {12, 18}) {
    EXPECT_EQ(testing::input_error([&] { onnx_options(opset, "1"); }),
              fmt::format("export --opset {}: expected 13 to 17", opset));
  }
  for (const std::string batch : {"0", "", "-1", "1.5", "65537", "1000000000000000000000", "many"}) {
    EXPECT_EQ(testing::input_error([&] { onnx_options(13, batch); }),
              fmt::format("export --batch {}: expected a number from 1 to 65536, or dynamic", batch));
  }
}

TEST(OnnxProgram, OfAnotherFormThanQuantizeWritesIsRefusedBeforeAnythingIsWritten) {
  for (uint64_t i = 0; i < 6; ++i) {
    const testing::TemporaryFolder folder;
    Random random({82, i});
    const IntegerProgram program = testing::random_integer_program(random);
    const std::string said =
        testing::input_error([&] { write_onnx(program, {}, "random", folder / "model.onnx"); });
    EXPECT_TRUE(said.starts_with("export --to onnx --quantized: ")) << said;
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  }
}

}  // namespace
}  // namespace normgraft
