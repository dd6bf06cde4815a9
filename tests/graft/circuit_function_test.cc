#include "normgraft/graft/circuit_function.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "normgraft/graft/graft.h"
#include "support/circuit_texts.h"
#include "support/input_error.h"
#include "support/small_model.h"

namespace normgraft {
namespace {

TEST(CircuitFunction, GivesTheNumbersOfTheIntegerModelForEveryOperation) {
  at::manual_seed(3);
  const Tensor x = at::randn({40, 50}) * 40, r = at::randn({40, 1}) * 2;
  for (const char* text : testing::kCircuitTexts) {
    SCOPED_TRACE(text);
    const Circuit circuit(Expression::parse(text), {});
    const CircuitPorts& ports = circuit.ports();
    const Tensor y = circuit_function(circuit, x, r);
    ASSERT_EQ(y.sizes(), x.sizes());
    for (int64_t n = 0; n < 40; ++n) {
      for (int64_t c = 0; c < 50; ++c) {
        const int64_t code =
            circuit(ports.x.code(x[n][c].item<float>()), ports.r.code(r[n][0].item<float>()));
        ASSERT_EQ(y[n][c].item<float>(), static_cast<float>(ports.y.value(code)));
      }
    }
  }
}

TEST(CircuitFunction, StandsAtASiteInPlaceOfItsFunction) {
  at::NoGradGuard no_grad;
  at::manual_seed(4);
  const Tensor images = at::randn({2, 3, 32, 32});
  const auto graft_of = [](const char* text) {
    Graft graft(testing::small_vit());
    for (const Site& site : graft.network().sites()) graft.set_function(site.name, Expression::parse(text));
    return graft;
  };
  const Tensor expected = graft_of("0.5*x").forward(images);
  Graft graft = graft_of("0.75*x");
  EXPECT_GT((graft.forward(images) - expected).abs().max().item<float>(), 0.01F);
  const Circuit half(Expression::parse("0.5*x"), {.x = {16, 11}, .y = {16, 11}});
  const std::vector<Site> sites = graft.network().sites();
  for (const Site& site : sites) graft.use_circuit(site.name, half);
  EXPECT_LT((graft.forward(images) - expected).abs().max().item<float>(), 0.01F);
  EXPECT_EQ(graft.functions().at("norm").to_string(), "0.75*x");
}

TEST(CircuitFunction, WantsRWhereTheCircuitReadsIt) {
  const Circuit circuit(Expression::parse("x*exp2(-r)"), {});
  EXPECT_EQ(testing::input_error([&] {
              circuit_function(circuit, at::ones({2, 3}));
            }),
            "circuit of x*exp2(-r): r is missing");
}

}  // namespace
}  // namespace normgraft
