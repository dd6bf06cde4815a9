// Networks as ONNX graphs against the networks, in ONNX Runtime.
#include "normgraft/onnx/vit_graph.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "normgraft/network/carrier.h"
#include "normgraft/network/stream.h"
#include "support/carrying_model.h"
#include "support/input_error.h"
#include "support/onnx_runtime.h"
#include "support/small_model.h"

namespace normgraft {
namespace {

using testing::OnnxRun;

std::string_view bytes_of(const Tensor& tensor) {
  return {static_cast<const char*>(tensor.data_ptr()), tensor.nbytes()};
}

OnnxRun run_graph(const Graft& graft, const OnnxOptions& options, const Tensor& images) {
  const testing::TemporaryFolder folder;
  write_onnx(graft, options, "a folder", folder / "model.onnx");
  return testing::run_onnx(folder / "model.onnx", bytes_of(images));
}

/// Compares what ONNX Runtime says with the network's own answers.
OnnxRun expect_same_logits(const Graft& graft, const OnnxOptions& options) {
  const at::NoGradGuard no_grad;
  const Tensor images = testing::uneven_images(4), expected = graft.forward(images);
  OnnxRun run = run_graph(graft, options, images);
  EXPECT_EQ(static_cast<int64_t>(run.values.size()), expected.numel());
  if (::testing::Test::HasFailure()) return run;
  const Tensor logits = at::from_blob(run.values.data(), expected.sizes(), at::kFloat);
  EXPECT_LT((logits - expected).abs().max().item<double>(), 1e-4 * expected.abs().max().item<double>());
  return run;
}

Graft graft_with_channel() {
  Graft graft(testing::carrying_vit());
  const char* const texts[] = {"x*exp(-r)", "1.1*x/(1+exp(r))", "x*abs(r-1.5)", "x*exp(-r)*0.9",
                               "x*rsqrt(square(r)+1)"};
  for (size_t i = 0; i < graft.network().sites().size(); ++i)
    graft.set_function(graft.network().sites()[i].name, Expression::parse(texts[i]));
  return graft;
}

struct Kind {
  std::string name;
  std::function<void(VitConfig&, Tensors&)> change;
};

void PrintTo(const Kind& kind, std::ostream* out) {
  *out << kind.name;
}

void add_norm(Tensors& tensors, const std::string& name, int64_t channels) {
  tensors[name + ".weight"] = at::rand({channels}) + 0.5;
  tensors[name + ".bias"] = at::randn({channels}) * 0.1;
}

const Kind kKinds[] = {
    {"plain", [](VitConfig&, Tensors&) {}},
    {"layer_scale",
     [](VitConfig& c, Tensors& t) {
       for (int64_t i = 0; i < c.depth; ++i) {
         t[fmt::format("blocks.{}.ls1.gamma", i)] = at::randn({16});
         t[fmt::format("blocks.{}.ls2.gamma", i)] = at::randn({16});
       }
     }},
    {"registers_beside_positions",
     [](VitConfig& c, Tensors& t) {
       c.register_tokens = 3;
       c.position_after_class_token = false;
       t["reg_token"] = at::randn({1, 3, 16});
       t["pos_embed"] = at::randn({1, 16, 16});
     }},
    {"distilled",
     [](VitConfig& c, Tensors& t) {
       c.distilled = true;
       t["dist_token"] = at::randn({1, 1, 16});
       t["pos_embed"] = at::randn({1, 18, 16});
       t["head_dist.weight"] = at::randn({3, 16});
       t["head_dist.bias"] = at::randn({3});
     }},
    {"averaged_without_class_token",
     [](VitConfig& c, Tensors& t) {
       c.class_token = false;
       c.pooling = Pooling::kAverage;
       t.erase("cls_token");
       t["pos_embed"] = at::randn({1, 16, 16});
     }},
    {"norm_behind_the_average",
     [](VitConfig& c, Tensors& t) {
       c.pooling = Pooling::kAverage;
       c.norm_behind_pooling = true;
       for (const char* part : {"weight", "bias"}) {
         t[fmt::format("fc_norm.{}", part)] = t.at(fmt::format("norm.{}", part));
         t.erase(fmt::format("norm.{}", part));
       }
     }},
    {"largest_and_average", [](VitConfig& c, Tensors&) { c.pooling = Pooling::kAverageMax; }},
    {"largest_of_all_tokens",
     [](VitConfig& c, Tensors&) {
       c.pooling = Pooling::kMax;
       c.pool_all_tokens = true;
     }},
    {"features",
     [](VitConfig& c, Tensors& t) {
       c.classes = 0;
       t.erase("head.weight");
       t.erase("head.bias");
     }},
    {"norms_everywhere",
     [](VitConfig& c, Tensors& t) {
       c.pre_norm = c.patch_norm = true;
       add_norm(t, "norm_pre", 16);
       add_norm(t, "patch_embed.norm", 16);
       for (int64_t i = 0; i < c.depth; ++i) {
         add_norm(t, fmt::format("blocks.{}.attn.q_norm", i), 8);
         add_norm(t, fmt::format("blocks.{}.attn.k_norm", i), 8);
         add_norm(t, fmt::format("blocks.{}.attn.norm", i), 16);
         add_norm(t, fmt::format("blocks.{}.mlp.norm", i), 64);
       }
     }},
    {"rms_norms_and_no_biases",
     [](VitConfig& c, Tensors& t) {
       c.norm = NormKind::kRmsNorm;
       c.activation = "quick_gelu";
       for (int64_t i = 0; i < c.depth; ++i) t.erase(fmt::format("blocks.{}.attn.qkv.bias", i));
       t.erase("patch_embed.proj.bias");
     }},
    {"a_rest_of_the_picture",
     [](VitConfig& c, Tensors& t) {
       c.patch_height = 7;
       c.patch_width = 5;
       c.activation = "gelu_tanh";
       t["patch_embed.proj.weight"] = at::randn({16, 3, 7, 5}) * 0.1;
       t["pos_embed"] = at::randn({1, 25, 16});
     }},
};

class OnnxOf : public ::testing::TestWithParam<Kind> {};

TEST_P(OnnxOf, AViTSaysWhatTheNetworkSays) {
  if (!testing::onnx_runtime_available()) GTEST_SKIP() << testing::kNoOnnxRuntime;
  const Network plain = testing::small_vit();
  VitConfig config = testing::small_vit_config();
  Tensors tensors = plain.tensors();
  GetParam().change(config, tensors);
  const Graft teacher{make_vit(config, plain.preprocessing(), tensors)};
  expect_same_logits(teacher, {.opset = 13, .batch = 2});
  expect_same_logits(teacher, {.opset = 17, .batch = 0});
}

INSTANTIATE_TEST_SUITE_P(Kinds, OnnxOf, ::testing::ValuesIn(kKinds),
                         [](const auto& kind) { return kind.param.name; });

TEST(OnnxGraft, WhoseChannelTellsRSaysWhatItSaysWithoutAnyNorm) {
  if (!testing::onnx_runtime_available()) GTEST_SKIP() << testing::kNoOnnxRuntime;
  const OnnxRun run = expect_same_logits(graft_with_channel(), {.opset = 13, .batch = 1});
  EXPECT_EQ(run.facts["operators"],
            Json({"Abs",   "Add",     "Clip",  "Concat", "Conv", "Div",      "Erf",        "Exp",
                  "Log",   "MatMul",  "Max",   "Mul",    "Neg",  "Pad",      "Reciprocal", "Reshape",
                  "Slice", "Softmax", "Split", "Sqrt",   "Sub",  "Transpose"}));
  EXPECT_LE(run.facts["dimensions"].get<int>(), 4);
  EXPECT_EQ(run.facts["unknown dimensions"], Json::array());
  EXPECT_EQ(run.facts["inputs"], (Json{{"pictures", {1, 3, 32, 32}}}));
  EXPECT_EQ(run.facts["outputs"], (Json{{"logits", {1, 3}}}));
  EXPECT_EQ(run.facts["opset"], Json::parse(R"([["", 13]])"));
  EXPECT_TRUE(run.facts["raw"].get<bool>());
}

TEST(OnnxGraft, OfFunctionsOfXAloneSaysWhatItSays) {
  if (!testing::onnx_runtime_available()) GTEST_SKIP() << testing::kNoOnnxRuntime;
  Network vit = testing::small_vit();
  blind_to_mean(vit);
  Graft graft(std::move(vit));
  for (const Site& site : graft.network().sites())
    graft.set_function(site.name, Expression::parse("2*log(0.3*max(x+5, 0.1))"));
  const OnnxRun run = expect_same_logits(graft, {.opset = 17, .batch = 0});
  for (const std::string op : run.facts["operators"]) {
    EXPECT_TRUE(op != "ReduceMean" && op != "LayerNormalization" && op != "Einsum") << op;
  }
  EXPECT_EQ(run.facts["unknown dimensions"], Json({"batch"}));
  EXPECT_EQ(run.facts["opset"], Json::parse(R"([["", 17]])"));
}

TEST(OnnxGraft, SaysItsPlanItsSourceAndHowPicturesAreMade) {
  if (!testing::onnx_runtime_available()) GTEST_SKIP() << testing::kNoOnnxRuntime;
  const Graft graft = graft_with_channel();
  const Json facts = run_graph(graft, {}, testing::uneven_images(1)).facts;
  EXPECT_EQ(facts["producer"][0], "normgraft");
  EXPECT_FALSE(facts["producer"][1].get<std::string>().empty());
  const Json& said = facts["metadata"];
  EXPECT_EQ(said["source"], "a folder");
  const Json plan = Json::parse(said["plan"].get<std::string>());
  EXPECT_EQ(plan.size(), graft.functions().size());
  for (const auto& [site, f] : graft.functions()) EXPECT_EQ(plan[site], f.to_string());
  const Json preparation = Json::parse(said["preprocessing"].get<std::string>());
  EXPECT_EQ(preparation["height"], 32);
  EXPECT_EQ(preparation["mean"].size(), 3U);
}

TEST(OnnxGraft, ComputesGeluByTanhWhereItIsAskedFor) {
  if (!testing::onnx_runtime_available()) GTEST_SKIP() << testing::kNoOnnxRuntime;
  const Graft graft = graft_with_channel(), by_tanh = with_gelu_by_tanh(graft);
  const at::NoGradGuard no_grad;
  const Tensor images = testing::uneven_images(4), logits = by_tanh.forward(images);
  const double change = (logits - graft.forward(images)).abs().max().item<double>();
  EXPECT_GT(change, 1e-6);
  EXPECT_LT(change, 1e-2);
  const OnnxRun run = expect_same_logits(by_tanh, {.opset = 13, .batch = 0});
  for (const std::string op : run.facts["operators"]) EXPECT_NE(op, "Erf");
  EXPECT_EQ(testing::input_error([&] { with_gelu_by_tanh(by_tanh); }),
            "export --gelu tanh: the activation of small_vit_test is gelu_tanh, expected gelu");
}

std::string onnx_refusal(const Graft& graft) {
  const testing::TemporaryFolder folder;
  const std::string said =
      testing::input_error([&] { write_onnx(graft, {}, "a folder", folder / "model.onnx"); });
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  return said;
}

TEST(OnnxGraft, RefusesByNameWhatItCannotWrite) {
  EXPECT_EQ(
      onnx_refusal(Graft{testing::carrying_vit()}),
      "export --to onnx: small_vit_test keeps its norm at \"blocks.0.norm1\", expected a function where a "
      "channel tells r");
  const Network plain = testing::small_vit();
  Tensors tensors = plain.tensors();
  for (const std::string block : {"blocks.0.mlp.", "blocks.1.mlp."})
    tensors[block + "fc2.weight"] = at::randn({16, 32});
  EXPECT_EQ(onnx_refusal(Graft{make_vit(testing::small_vit_config(), plain.preprocessing(), tensors)}),
            "export --to onnx: small_vit_test has gated MLPs, which are not supported so far");
}

}  // namespace
}  // namespace normgraft
