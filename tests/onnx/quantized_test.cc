// Networks of integers as ONNX graphs against the interpreter, in ONNX Runtime.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "normgraft/emit/onnx_program.h"
#include "normgraft/integer/interpreter.h"
#include "normgraft/quantize/quantize.h"
#include "support/carrying_model.h"
#include "support/input_error.h"
#include "support/onnx_runtime.h"
#include "support/small_model.h"

namespace normgraft {
namespace {

constexpr int64_t kPictures = 40;

/// Pixels [count, 3, 32, 32] of 0 to 255.
Tensor pixels(int64_t count, uint64_t seed) {
  at::manual_seed(seed);
  const Tensor contrast = 20 + 60 * at::rand({count, 1, 1, 1});
  return (128 + at::randn({count, 3, 32, 32}) * contrast).round().clamp(0, 255).to(at::kByte);
}

Tensor normalised_images(const Tensor& levels, const Preprocessing& preprocessing) {
  const auto by_colour = [](const std::array<float, 3>& values) {
    return at::tensor({values[0], values[1], values[2]}).view({1, 3, 1, 1});
  };
  return (levels.to(at::kFloat) / 255 - by_colour(preprocessing.mean)) / by_colour(preprocessing.std);
}

/// x exp(-r) at each site of a network whose channel tells r, with the range of x that pictures show.
Graft whole_graft() {
  Network network = testing::carrying_vit();
  FunctionFile file;
  network.forward(testing::uneven_images(16), [&](size_t site, const Tensor& x, const Tensor&) {
    const Tensor of_stream = x.slice(-1, 1);
    const std::string& name = network.sites()[site].name;
    file.functions[name] = Expression::parse("x*exp(-r)");
    file.seen[name] = {of_stream.min().item<double>(), of_stream.max().item<double>()};
  });
  Graft graft(std::move(network));
  graft.set_functions(file);
  return graft;
}

IntegerProgram quantized(const Graft& graft, const Precision& precision) {
  const at::NoGradGuard no_grad;
  return quantize(graft, precision, normalised_images(pixels(32, 7), graft.network().preprocessing()),
                  silent_monitor());
}

Tensor interpreted(const IntegerProgram& program, const Tensor& levels) {
  const double step = program.buffers[static_cast<size_t>(program.logits)].step;
  std::vector<Tensor> rows;
  for (const Tensor& picture : (levels.to(at::kInt) - 128).to(at::kChar).unbind()) {
    const Tensor codes = picture.contiguous();
    const std::vector<int32_t> logits =
        interpret(program, {codes.data_ptr<int8_t>(), static_cast<size_t>(codes.numel())});
    rows.push_back(at::tensor(at::ArrayRef<int32_t>(logits), at::kDouble) * step);
  }
  return at::stack(rows).to(at::kFloat);
}

/// Compares ONNX Runtime's answers with the interpreter's; returns what is said of the file.
Json expect_like_integers(const IntegerProgram& program, const OnnxOptions& options, double most) {
  const testing::TemporaryFolder folder;
  write_onnx(program, options, "integers", folder / "model.onnx");
  const Tensor levels = pixels(kPictures, 8), expected = interpreted(program, levels);
  testing::OnnxRun run = testing::run_onnx(folder / "model.onnx",
                                           {static_cast<const char*>(levels.data_ptr()), levels.nbytes()});
  EXPECT_EQ(static_cast<int64_t>(run.values.size()), expected.numel());
  if (::testing::Test::HasFailure()) return run.facts;
  const Tensor logits = at::from_blob(run.values.data(), expected.sizes(), at::kFloat);
  EXPECT_LT(((logits - expected).norm() / expected.norm()).item<double>(), most);
  EXPECT_GE(logits.argmax(1).eq(expected.argmax(1)).sum().item<int64_t>(), kPictures - 1);
  return run.facts;
}

TEST(OnnxQuantized, GraftSaysWhatTheIntegersSay) {
  if (!testing::onnx_runtime_available()) GTEST_SKIP() << testing::kNoOnnxRuntime;
  const Json facts = expect_like_integers(quantized(whole_graft(), {.kind = NumberKind::kW8A8}), {}, 0.03);
  EXPECT_EQ(facts["operators beside pairs"],
            Json({"Add", "Clip", "Concat", "Conv", "Div", "Erf", "Exp", "Log", "MatMul", "Max", "Mul", "Neg",
                  "Pad", "Reshape", "Slice", "Softmax", "Split", "Transpose"}));
  EXPECT_LE(facts["dimensions"].get<int>(), 4);
  EXPECT_EQ(facts["inputs"], (Json{{"pixels", {1, 3, 32, 32}}}));
}

TEST(OnnxQuantized, GraftThatFloorsSaysWhatTheIntegersSay) {
  if (!testing::onnx_runtime_available()) GTEST_SKIP() << testing::kNoOnnxRuntime;
  const Precision shortest{.kind = NumberKind::kW8A8, .factor_bits = 7};
  expect_like_integers(quantized(whole_graft(), shortest), {}, 0.04);
}

TEST(OnnxQuantized, NetworkOfLayerNormsSaysWhatTheIntegersSay) {
  if (!testing::onnx_runtime_available()) GTEST_SKIP() << testing::kNoOnnxRuntime;
  expect_like_integers(quantized(Graft{testing::small_vit()}, {.kind = NumberKind::kW8A8}),
                       {.opset = 17, .batch = 0}, 0.02);
}

TEST(OnnxQuantized, StreamOf8BitsHasPairsAtBothSidesOfEachAddition) {
  if (!testing::onnx_runtime_available()) GTEST_SKIP() << testing::kNoOnnxRuntime;
  const IntegerProgram wide = quantized(whole_graft(), {.kind = NumberKind::kW8A8});
  const IntegerProgram narrow = quantized(whole_graft(), {.kind = NumberKind::kW8A8, .stream_bits = 8});
  const Json of_narrow = expect_like_integers(narrow, {.opset = 13, .batch = 0}, 0.1);
  const Json of_wide = expect_like_integers(wide, {.opset = 13, .batch = 0}, 0.03);
  const int additions = 5;  // of the patches and of four writers
  EXPECT_EQ(of_narrow["pairs"].get<int>() - of_wide["pairs"].get<int>(), 2 * (2 * additions + 1))
      << "of the stream and of r at both sides of each, and once more behind r at the first site";
}

TEST(OnnxQuantized, ActivationsOf16BitsHaveNoPairsAndWeightsStaySignedBytes) {
  if (!testing::onnx_runtime_available()) GTEST_SKIP() << testing::kNoOnnxRuntime;
  const Json facts = expect_like_integers(quantized(whole_graft(), {.kind = NumberKind::kW8A16}),
                                          {.opset = 13, .batch = 0}, 0.01);
  EXPECT_EQ(facts["pairs"], 2) << "queries, keys and values of two blocks";
}

TEST(OnnxQuantized, ProgramWhoseFunctionIsAnotherThanItsCurveIsRefused) {
  const IntegerProgram whole = quantized(whole_graft(), {.kind = NumberKind::kW8A8});
  const testing::TemporaryFolder folder;
  const auto refusal = [&](const IntegerProgram& program) {
    return testing::input_error([&] { write_onnx(program, {}, "integers", folder / "model.onnx"); });
  };
  IntegerProgram program = whole;
  program.origin["functions"]["norm"] = "x*exp(-1.1*r)";
  EXPECT_NE(refusal(program).find("norm: the curve is"), std::string::npos) << refusal(program);
  program.origin["functions"].erase("norm");
  EXPECT_NE(refusal(program).find("norm: the origin names no function"), std::string::npos);
  program = whole;
  for (int16_t& knot : program.tensors.at("blocks.1.mlp.act.f").values16) knot = static_cast<int16_t>(-knot);
  EXPECT_NE(refusal(program).find("blocks.1.mlp.act: the curve is"), std::string::npos) << refusal(program);
  program = whole;
  for (int16_t& knot : program.tensors.at("blocks.0.attn.exp").values16)
    knot = static_cast<int16_t>(knot / 2);
  EXPECT_NE(refusal(program).find("blocks.0.attn: the curve of exp"), std::string::npos) << refusal(program);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace normgraft
