#include "normgraft/graft/scalar_function.h"

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
  torch::manual_seed(3);
  const torch::Tensor input = torch::randn({3, 41, 700}) * 2;  // more than one task of the kernel
  const torch::Tensor weights = torch::randn_like(input);
  const auto run = [&](auto function) {
    torch::Tensor x = input.clone().set_requires_grad(true);
    torch::Tensor c = constants_tensor(f).set_requires_grad(true);
    const torch::Tensor y = function(f, x, c);
    (y * weights).sum().backward();
    return std::vector<torch::Tensor>{y.detach(), x.grad(), c.numel() > 0 ? c.grad() : torch::zeros({0})};
  };
  const auto fused = run(scalar_function);
  const auto chain = run(scalar_function_by_operations);
  EXPECT_TRUE(torch::allclose(fused[0], chain[0], 1e-5, 1e-6)) << (fused[0] - chain[0]).abs().max();
  EXPECT_TRUE(torch::allclose(fused[1], chain[1], 1e-4, 1e-5)) << (fused[1] - chain[1]).abs().max();
  EXPECT_TRUE(torch::allclose(fused[2], chain[2], 1e-3, 2e-2)) << fused[2] << chain[2];
}

INSTANTIATE_TEST_SUITE_P(Expressions, ScalarFunction, ::testing::ValuesIn(kExpressions));

TEST(ScalarFunctionOp, UsesTheConstantsItIsGivenInsteadOfItsOwn) {
  const Expression f = Expression::parse("2*x+1");
  const torch::Tensor y = scalar_function(f, torch::ones({4}), torch::tensor({3.0F, 5.0F}));
  EXPECT_TRUE(torch::equal(y, torch::full({4}, 8.0F)));
}

TEST(ScalarFunctionOp, OrdersTheBoundsOfAClipThatCrossed) {
  const Expression f = Expression::parse("clip(x, -1, 1)");
  const torch::Tensor x = torch::tensor({-9.0F, 0.0F, 9.0F});
  const torch::Tensor crossed = torch::tensor({2.0F, -3.0F});
  EXPECT_TRUE(torch::equal(scalar_function(f, x, crossed), torch::tensor({-3.0F, 0.0F, 2.0F})));
  EXPECT_TRUE(torch::equal(scalar_function_by_operations(f, x, crossed), torch::tensor({-3.0F, 0.0F, 2.0F})));
}

TEST(ScalarFunctionOp, RefusesAWrongNumberOfConstants) {
  EXPECT_THROW(scalar_function(Expression::parse("2*x+1"), torch::ones({4}), torch::ones({3})), InputError);
}

TEST(ScalarFunctionOp, KnowsEveryPrimitive) {
  for (const Primitive& p : primitives()) {
    std::vector<Instruction> program;
    for (int i = 0; i < p.arity; ++i) program.push_back({Op::kX, {}});
    program.push_back({p.op, {p.constants > 0 ? -0.5F : 0.0F, p.constants > 1 ? 0.5F : 0.0F}});
    const Expression f(program);
    const torch::Tensor x = torch::rand({50}) + 0.25;
    EXPECT_TRUE(torch::allclose(scalar_function(f, x, constants_tensor(f)),
                                scalar_function_by_operations(f, x, constants_tensor(f)), 1e-5, 1e-6))
        << p.name;
  }
}

}  // namespace
}  // namespace normgraft
