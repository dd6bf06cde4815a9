#include "normgraft/graft/scalar_function.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

#include "normgraft/core/error.h"

namespace normgraft {
namespace {

const char* const kExpressions[] = {
    "x",
    "2*x+0.5",
    "0.48*clip(2*x+0.17, -5, 5)",
    "1.3*tanh(0.7*x)-0.1",
    "sigmoid(x)*x+abs(x)",
    "x/(1.5+0.4*abs(x))",
    "1.1*x*rsqrt(square(x)+0.9)",
    "erf(0.5*x)+min(x, 1.2)-max(0.3*x, -1)",
    "exp(-square(x))+sqrt(abs(x)+0.5)",
    "exp2(0.7-1.2*abs(x))+0.3*log2(abs(x)+0.5)",
};

class ScalarFunction : public ::testing::TestWithParam<const char*> {};

TEST_P(ScalarFunction, AgreesWithTheChainOfOperationsForwardAndBackward) {
  const Expression f = Expression::parse(GetParam());
  at::manual_seed(3);
  const Tensor input = at::randn({3, 41, 700}) * 2;  // more than one task of the kernel
  const Tensor weights = at::randn_like(input);
  const auto run = [&](auto function) {
    Tensor x = input.clone().set_requires_grad(true);
    Tensor c = constants_tensor(f).set_requires_grad(true);
    const Tensor y = function(f, x, c, Tensor());
    (y * weights).sum().backward();
    return std::vector<Tensor>{y.detach(), x.grad(), c.numel() > 0 ? c.grad() : at::zeros({0})};
  };
  const auto fused = run(scalar_function);
  const auto chain = run(scalar_function_by_operations);
  EXPECT_TRUE(at::allclose(fused[0], chain[0], 1e-5, 1e-6)) << (fused[0] - chain[0]).abs().max();
  EXPECT_TRUE(at::allclose(fused[1], chain[1], 1e-4, 1e-5)) << (fused[1] - chain[1]).abs().max();
  EXPECT_TRUE(at::allclose(fused[2], chain[2], 1e-3, 2e-2)) << fused[2] << chain[2];
}

INSTANTIATE_TEST_SUITE_P(Expressions, ScalarFunction, ::testing::ValuesIn(kExpressions));

TEST(ScalarFunctionOp, UsesTheConstantsItIsGivenInsteadOfItsOwn) {
  const Expression f = Expression::parse("2*x+1");
  const Tensor y = scalar_function(f, at::ones({4}), at::tensor({3.0F, 5.0F}));
  EXPECT_TRUE(at::equal(y, at::full({4}, 8.0F)));
}

TEST(ScalarFunctionOp, OrdersTheBoundsOfAClipThatCrossed) {
  const Expression f = Expression::parse("clip(x, -1, 1)");
  const Tensor x = at::tensor({-9.0F, 0.0F, 9.0F});
  const Tensor crossed = at::tensor({2.0F, -3.0F});
  EXPECT_TRUE(at::equal(scalar_function(f, x, crossed), at::tensor({-3.0F, 0.0F, 2.0F})));
  EXPECT_TRUE(at::equal(scalar_function_by_operations(f, x, crossed), at::tensor({-3.0F, 0.0F, 2.0F})));
}

struct Crossed {
  const char* text;
  std::vector<float> constants;
};

/// Clips whose bounds crossed: one alone, one inside another, one beside another that is in order, and clips
/// whose bounds do not stand first or last among the constants.
const Crossed kCrossed[] = {
    {"clip(x, -1, 1)", {2, -3}},
    {"clip(2*x+0.5, -1, 1)", {2, 0.5F, 1.5F, -0.75F}},
    {"1.2*clip(0.5*clip(x, -3, 3)+0.1, -1, 1)-0.3", {1.2F, 0.5F, 1.75F, -2, 0.1F, 0.625F, -0.5F, 0.3F}},
    {"clip(clip(x, -2, 2), -1, 1)", {1.5F, -1.5F, -1, 1}},
    {"clip(clip(x, -2, 2), -1, 1)", {-2, 2, 0.5F, -1.25F}},
    {"clip(x, -1, 1)*clip(0.5*x, -1, 1)", {0.75F, -2, 0.5F, -0.25F, 1}},
};

TEST(ScalarFunctionOp, GivesEachBoundOfAClipThatCrossedItsOwnGradient) {
  at::manual_seed(3);
  const Tensor input = at::randn({2, 9000}) * 2;
  const Tensor weights = at::rand({2, 9000}) + 0.1;  // of one sign: the gradients of two bounds do not cancel
  for (const Crossed& crossed : kCrossed) {
    const Expression f = Expression::parse(crossed.text);
    ASSERT_EQ(crossed.constants.size(), f.constant_count()) << crossed.text;
    const auto run = [&](auto function) {
      const Tensor x = input.clone().set_requires_grad(true);
      const Tensor c = at::tensor(crossed.constants).set_requires_grad(true);
      const Tensor y = function(f, x, c, Tensor());
      (y * weights).sum().backward();
      return std::vector<Tensor>{y.detach(), x.grad(), c.grad()};
    };
    const auto fused = run(scalar_function), chain = run(scalar_function_by_operations);
    for (size_t i = 0; i < fused.size(); ++i) {
      EXPECT_TRUE(at::allclose(fused[i], chain[i], 1e-4, 1e-3))
          << crossed.text << " " << i << fused[i] << chain[i];
    }
  }
}

TEST(ScalarFunctionOp, LeavesThePulledBoundOfACrossedClipWhereItsNumberIs) {
  // Above both bounds only the larger of them counts, which is the first here; below both only the second.
  const Expression f = Expression::parse("clip(x, -1, 1)");
  for (const auto& [x, wanted] :
       {std::pair{9.0F, at::tensor({1.0F, 0.0F})}, std::pair{-9.0F, at::tensor({0.0F, 1.0F})},
        std::pair{0.5F, at::tensor({0.0F, 0.0F})}}) {
    const Tensor bounds = at::tensor({2.0F, -3.0F}).set_requires_grad(true);
    const Tensor input = at::full({1}, x).set_requires_grad(true);
    scalar_function(f, input, bounds).sum().backward();
    EXPECT_TRUE(at::equal(bounds.grad(), wanted)) << x;
    EXPECT_EQ(input.grad().item<float>(), x == 0.5F ? 1.0F : 0.0F) << x;
  }
}

TEST(ScalarFunctionOp, RefusesAWrongNumberOfConstants) {
  EXPECT_THROW(scalar_function(Expression::parse("2*x+1"), at::ones({4}), at::ones({3})), InputError);
}

TEST(ScalarFunctionOp, KnowsEveryPrimitive) {
  for (const Primitive& p : primitives()) {
    std::vector<Instruction> program;
    for (int i = 0; i < p.arity; ++i) program.push_back({Op::kX, {}});
    program.push_back({p.op, {p.constants > 0 ? -0.5F : 0.0F, p.constants > 1 ? 0.5F : 0.0F}});
    const Expression f(program);
    const Tensor x = at::rand({50, 7}) + 0.25, r = at::rand({50, 1});
    EXPECT_TRUE(at::allclose(scalar_function(f, x, constants_tensor(f), r),
                             scalar_function_by_operations(f, x, constants_tensor(f), r), 1e-5, 1e-6))
        << p.name;
  }
}

const char* const kOfTwo[] = {
    "x*rsqrt(r)",      "x*exp(-0.3*r)+0.1", "x*exp2(0.2-0.4*r)",
    "x*log2(1.5+r)",   "x/(0.4+1.3*r)",     "x*clip(2-0.7*r, 0.25, 1.5)",
    "tanh(x*r)-0.2*r", "1.5*sqrt(r)",       "r",
    "x*0.5+1",
};

class ScalarFunctionOfTwo : public ::testing::TestWithParam<const char*> {};

TEST_P(ScalarFunctionOfTwo, AgreesWithTheChainOfOperationsForwardAndBackward) {
  const Expression f = Expression::parse(GetParam());
  at::manual_seed(4);
  // Tokens shorter than a task of the kernel, that do not divide it, and longer ones.
  for (const int64_t channels : {1, 700, 20'000}) {
    const Tensor input = at::randn({2, 63, channels}), tokens = at::rand({2, 63, 1}) * 2 + 0.1;
    const Tensor weights = at::randn_like(input) / std::sqrt(static_cast<double>(channels));
    const auto run = [&](auto function) {
      Tensor x = input.clone().set_requires_grad(true), r = tokens.clone().set_requires_grad(true);
      Tensor c = constants_tensor(f).set_requires_grad(true);
      const Tensor y = function(f, x, c, r);
      EXPECT_EQ(y.sizes(), x.sizes());
      (y * weights).sum().backward();
      const auto gradient = [](const Tensor& t) { return t.grad().defined() ? t.grad() : at::zeros_like(t); };
      return std::vector<Tensor>{y.detach(), gradient(x), gradient(r), gradient(c)};
    };
    const auto fused = run(scalar_function), chain = run(scalar_function_by_operations);
    for (size_t i = 0; i < fused.size(); ++i) {
      ASSERT_EQ(fused[i].sizes(), chain[i].sizes());
      EXPECT_TRUE(at::allclose(fused[i], chain[i], 1e-3, i == 3 ? 1e-2 : 1e-4))
          << channels << " channels, " << i << ": " << (fused[i] - chain[i]).abs().max();
    }
  }
}

TEST_P(ScalarFunctionOfTwo, HasAGradientByRThatMatchesDifferenceQuotients) {
  const Expression f = Expression::parse(GetParam());
  if (!f.reads(Op::kR)) return;
  at::manual_seed(5);
  const Tensor x = at::randn({9, 50}), weights = at::randn({9, 50});
  const Tensor r = at::linspace(0.3, 1.5, 9).reshape({9, 1}).set_requires_grad(true);
  (scalar_function(f, x, constants_tensor(f), r) * weights).sum().backward();
  for (int64_t token = 0; token < 9; ++token) {
    double quotient = 0;
    for (int64_t channel = 0; channel < 50; ++channel) {
      const double at_x = x[token][channel].item<double>(), at_r = r[token].item<double>(), h = 1e-6;
      quotient += weights[token][channel].item<double>() * (f(at_x, at_r + h) - f(at_x, at_r - h)) / (2 * h);
    }
    EXPECT_NEAR(r.grad()[token].item<double>(), quotient, 1e-4 * (1 + std::abs(quotient)));
  }
}

INSTANTIATE_TEST_SUITE_P(Expressions, ScalarFunctionOfTwo, ::testing::ValuesIn(kOfTwo));

TEST(ScalarFunctionOp, DoesNotDependOnThreadsByR) {
  const Expression f = Expression::parse("x*exp(-0.3*r)");
  at::manual_seed(6);
  const Tensor x = at::randn({500, 300}), tokens = at::rand({500, 1});
  const auto gradient = [&](int threads) {
    at::set_num_threads(threads);
    const Tensor r = tokens.clone().set_requires_grad(true);
    scalar_function(f, x, constants_tensor(f), r).square().sum().backward();
    return r.grad();
  };
  const int before = at::get_num_threads();
  const Tensor one = gradient(1), two = gradient(2);
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(one, two));
}

TEST(ScalarFunctionOp, RefusesAFunctionOfRWithoutOneNumberForEachToken) {
  const Expression f = Expression::parse("x*rsqrt(r)");
  const Tensor x = at::ones({2, 3, 4}), none = at::zeros({0});
  EXPECT_THROW(scalar_function(f, x, none), InputError);
  EXPECT_THROW(scalar_function_by_operations(f, x, none), InputError);
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{2, 3, 4}, {2, 3}, {3, 1}, {2, 1, 1}, {2, 3, 2}}) {
    EXPECT_THROW(scalar_function(f, x, none, at::ones(shape)), InputError);
  }
  EXPECT_NO_THROW(scalar_function(f, x, none, at::ones({2, 3, 1})));
  EXPECT_NO_THROW(scalar_function(f, x.slice(1, 0, 0), none, at::ones({2, 0, 1})));
  EXPECT_NO_THROW(scalar_function(f, x.slice(2, 0, 0), none, at::ones({2, 3, 1})));
}

}  // namespace
}  // namespace normgraft
