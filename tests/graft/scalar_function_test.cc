#include "normgraft/graft/scalar_function.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

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
    const Tensor y = function(f, x, c);
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
      const Tensor y = function(f, x, c);
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
    const Tensor x = at::rand({50}) + 0.25;
    EXPECT_TRUE(at::allclose(scalar_function(f, x, constants_tensor(f)),
                             scalar_function_by_operations(f, x, constants_tensor(f)), 1e-5, 1e-6))
        << p.name;
  }
}

}  // namespace
}  // namespace normgraft
