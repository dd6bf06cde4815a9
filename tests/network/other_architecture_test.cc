#include "network/other_architecture.h"

#include <gtest/gtest.h>

#include "network/fixtures.h"
#include "normgraft/network/carrier.h"
#include "normgraft/network/stream.h"

namespace normgraft {
namespace {

using testing::post_norm;
using testing::post_norm_tensors;
using testing::PostNorm;
using testing::relative_error;

constexpr NormKind kKinds[] = {NormKind::kLayerNorm, NormKind::kRmsNorm};

Tensor plain_norm(NormKind kind, const Tensor& x, double eps) {
  const Tensor centred = kind == NormKind::kLayerNorm ? x - x.mean(-1, true) : x;
  return centred / (centred.pow(2).sum(-1, true) / x.size(-1) + eps).sqrt();
}

/// PostNorm written out once more, in operations of LibTorch alone.
Tensor plain_forward(NormKind kind, const Tensors& tensors, const Tensor& images) {
  using Net = PostNorm;
  const auto apply = [&](const std::string& name, const Tensor& x) {
    return at::matmul(x, tensors.at(name + ".weight").t()) + tensors.at(name + ".bias");
  };
  const auto norm = [&](const std::string& name, const Tensor& x) {
    const Tensor scaled = plain_norm(kind, x, 1e-3) * tensors.at(name + ".norm.gamma");
    return kind == NormKind::kLayerNorm ? scaled + tensors.at(name + ".norm.beta") : scaled;
  };
  const int64_t batch = images.size(0), width = Net::kChannels / Net::kHeads, rows = Net::kSide / Net::kPatch;
  std::vector<Tensor> tokens;
  for (int64_t i = 0; i < Net::kTokens; ++i) {
    const int64_t top = i / rows * Net::kPatch, left = i % rows * Net::kPatch;
    const Tensor patch =
        images.slice(2, top, top + Net::kPatch).slice(3, left, left + Net::kPatch).flatten(1);
    tokens.push_back(at::matmul(patch, tensors.at("patch.weight").flatten(1).t()) + tensors.at("patch.bias"));
  }
  Tensor x = norm("embedding", at::stack(tokens, 1) + tensors.at("positions"));
  for (const std::string layer : {"0.", "1."}) {
    const Tensor qkv = apply(layer + "attention.qkv", x).view({batch, Net::kTokens, 3, Net::kHeads, width});
    const auto of_heads = [&](int64_t which) { return qkv.select(2, which).transpose(1, 2); };
    const Tensor scores = at::matmul(of_heads(0), of_heads(1).transpose(2, 3)) / std::sqrt(double(width));
    const Tensor mixed = at::matmul(scores.softmax(-1), of_heads(2)).transpose(1, 2).flatten(2);
    x = norm(layer + "attention", x + apply(layer + "attention.out", mixed));
    x = norm(layer + "mlp", x + apply(layer + "mlp.out", apply(layer + "mlp.in", x).clamp_min(0)));
  }
  return apply("head", x.mean(1));
}

Tensor some_images() {
  at::manual_seed(5);
  return at::randn({5, 3, PostNorm::kSide, PostNorm::kSide});
}

TEST(OtherArchitecture, WithNormsBehindTheSumsGivesTheLogitsOfThePlainComputation) {
  const at::NoGradGuard no_grad;
  for (const NormKind kind : kKinds) {
    const Tensor expected = plain_forward(kind, post_norm_tensors(kind), some_images());
    const Network network = post_norm(kind);
    EXPECT_LT(relative_error(network.forward(some_images()), expected), 1e-5);
    size_t seen = 0;
    const Tensor watched = network.forward(some_images(), [&](size_t site, const Tensor& x, const Tensor& y) {
      EXPECT_EQ(site, seen++);
      EXPECT_LT(relative_error(y, plain_norm(kind, x, 1e-3)), 1e-5) << site;
    });
    EXPECT_EQ(seen, 5U);
    EXPECT_LT(relative_error(watched, expected), 1e-5);
  }
}

TEST(OtherArchitecture, WithNormsBehindTheSumsGivesTheGradientsOfThePlainComputation) {
  for (const NormKind kind : kKinds) {
    Network network = post_norm(kind);
    Tensors plain = post_norm_tensors(kind);
    for (Tensors* tensors : {&network.tensors(), &plain}) {
      for (auto& [name, tensor] : *tensors) tensor = tensor.detach().clone().set_requires_grad(true);
    }
    at::manual_seed(6);
    const Tensor weights = at::randn({5, PostNorm::kClasses});
    (network.forward(some_images()) * weights).sum().backward();
    (plain_forward(kind, plain, some_images()) * weights).sum().backward();
    for (const auto& [name, tensor] : network.tensors()) {
      // A few are 0 but for rounding, such as the biases of the keys.
      const Tensor expected = plain.at(name).grad();
      EXPECT_TRUE(
          at::allclose(tensor.grad(), expected, 1e-3, 1e-4 * expected.abs().max().item<double>() + 1e-6))
          << name;
    }
  }
}

TEST(OtherArchitecture, WhoseNormsSeeTheMeanIsRefusedACarrierOfScale) {
  for (const NormKind kind : kKinds) {
    Network network = post_norm(kind);
    EXPECT_FALSE(hides_mean(network));
    const std::string message = testing::input_error([&] {
      carry_scale(network, {some_images(), {}}, {}, nullptr, silent_monitor());
    });
    EXPECT_NE(message.find("post_norm_test"), std::string::npos) << message;
  }
}

TEST(OtherArchitecture, FoldsAtTheOneSiteThatOnlyALinearReads) {
  const at::NoGradGuard no_grad;
  for (const NormKind kind : kKinds) {
    Network network = post_norm(kind);
    const Tensor expected = network.forward(some_images());
    fold_norm(network, 4, /*blind=*/false);
    EXPECT_TRUE(at::equal(network.tensors().at("1.mlp.norm.gamma"), at::ones({PostNorm::kChannels})));
    EXPECT_LT(relative_error(network.forward(some_images()), expected), 1e-5);
    const std::string message = testing::input_error([&] { fold_norm(network, 3, /*blind=*/false); });
    EXPECT_NE(message.find("\"1.attention.norm\""), std::string::npos) << message;
  }
}

TEST(Normalise, DividesByTheRootOfTheMeanSquareInRmsNorm) {
  // By hand: the mean square of 3, -4, 12, 5 is 48.5, of 0, 0, 0, 2 it is 1.
  const Tensor x = at::tensor({3.0F, -4.0F, 12.0F, 5.0F, 0.0F, 0.0F, 0.0F, 2.0F}).view({2, 4});
  const Tensor y = normalise(NormKind::kRmsNorm, x, 0.5);
  for (int64_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(y[0][i].item<double>(), x[0][i].item<double>() / 7, 1e-6);
    EXPECT_NEAR(y[1][i].item<double>(), x[1][i].item<double>() / std::sqrt(1.5), 1e-6);
  }
}

TEST(Normalise, HasTheGradientOfFiniteDifferences) {
  at::manual_seed(8);
  const Tensor at_x = at::randn({3, 6}, at::kDouble) + 0.7, weights = at::randn({3, 6}, at::kDouble);
  for (const NormKind kind : kKinds) {
    const auto value = [&](const Tensor& x) { return (normalise(kind, x, 0.01) * weights).sum(); };
    const Tensor x = at_x.clone().set_requires_grad(true);
    value(x).backward();
    for (int64_t i = 0; i < x.numel(); ++i) {
      const auto moved = [&](double step) {
        Tensor there = at_x.clone();
        there.view({-1})[i] += step;
        return value(there).item<double>();
      };
      constexpr double kStep = 1e-5;
      EXPECT_NEAR(x.grad().view({-1})[i].item<double>(), (moved(kStep) - moved(-kStep)) / (2 * kStep), 1e-8)
          << i;
    }
  }
}

}  // namespace
}  // namespace normgraft
