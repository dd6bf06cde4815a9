#include "normgraft/circuit/circuit.h"

#include <gtest/gtest.h>

#include <cmath>

#include "expr/random_program.h"
#include "normgraft/core/random.h"
#include "support/circuit_texts.h"
#include "support/input_error.h"

namespace normgraft {
namespace {

/// The number of y that exact arithmetic gives, held within the range of y.
double exact_y(const Circuit& circuit, int64_t x, int64_t r) {
  const CircuitPorts& ports = circuit.ports();
  const Interval range = ports.y.range();
  return std::clamp(circuit.expression()(ports.x.value(x), ports.r.value(r)), range.low, range.high);
}

/// The largest distance from exact arithmetic at codes of x, `stride` apart, and of r.
double largest_error(const Circuit& circuit, int64_t stride = 7) {
  const CircuitPorts& ports = circuit.ports();
  double largest = 0;
  const bool reads_r = circuit.expression().reads(Op::kR);
  for (int64_t x = ports.x.least(); x <= ports.x.most(); x += stride) {
    const int64_t r = reads_r ? ports.r.least() + (x * 7919 & ((int64_t{1} << ports.r.bits) - 1)) : 0;
    largest = std::max(largest, std::abs(ports.y.value(circuit(x, r)) - exact_y(circuit, x, r)));
  }
  return largest;
}

/// Every node's code has to fit its format.
void expect_codes_fit(const Circuit& circuit) {
  const CircuitPorts& ports = circuit.ports();
  const std::span<const CircuitNode> nodes = circuit.nodes();
  std::vector<int64_t> values(nodes.size());
  for (int64_t x = ports.x.least(); x <= ports.x.most(); x += 11) {
    const int64_t r = ports.r.least() + (x * 104729 & ((int64_t{1} << ports.r.bits) - 1));
    for (size_t i = 0; i < nodes.size(); ++i) {
      values[i] = node_value(nodes[i], nodes, values, x, r);
      ASSERT_GE(values[i], nodes[i].format.least()) << circuit.expression().to_string() << " node " << i;
      ASSERT_LE(values[i], nodes[i].format.most()) << circuit.expression().to_string() << " node " << i;
    }
  }
}

TEST(Circuit, ErrsByNoMoreThanItSaysForEachPrimitive) {
  for (const char* text : testing::kCircuitTexts) {
    SCOPED_TRACE(text);
    for (const FixedPoint y : {FixedPoint{8, 4}, FixedPoint{16, 9}}) {
      const Circuit circuit(Expression::parse(text), {.y = y});
      EXPECT_LE(circuit.error(), y.step() * (1 + 1e-12));
      EXPECT_LE(largest_error(circuit, 3), circuit.error());
      expect_codes_fit(circuit);
    }
  }
}

TEST(Circuit, ErrsByNoMoreThanItSaysForRandomExpressions) {
  Random random({41});
  int made = 0;
  for (int i = 0; i < 200; ++i) {
    const Expression f = random_expression_of_two(random, 4);
    std::optional<Circuit> circuit;
    try {
      circuit.emplace(f, CircuitPorts{}, 0.5);
    } catch (const InputError&) {
      continue;
    }
    ++made;
    SCOPED_TRACE(f.to_string());
    EXPECT_LE(largest_error(*circuit, 61), circuit->error());
    expect_codes_fit(*circuit);
  }
  EXPECT_GT(made, 20);
}

TEST(Circuit, HasMoreBitsWhereLessErrorIsAllowed) {
  const Expression f = Expression::parse("0.3*tanh(0.7*x)+0.11*x");
  const auto bits = [&](double error) {
    int sum = 0;
    const Circuit circuit(f, {}, error);
    for (const CircuitNode& node : circuit.nodes()) sum += node.format.bits;
    return sum;
  };
  EXPECT_LT(bits(1), bits(0.25));
  EXPECT_LT(bits(0.25), bits(0.06));
}

TEST(Circuit, GivesAFactorFewDigitsWhereTheErrorAllowsIt) {
  const auto digits = [](double error) {
    return signed_digits(Circuit(Expression::parse("0.7071*x"), {}, error).nodes().back().factor).size();
  };
  EXPECT_LT(digits(4), digits(0.02));
  EXPECT_EQ(signed_digits(Circuit(Expression::parse("0.75*x"), {}).nodes().back().factor).size(), 2u);
}

TEST(Circuit, ComputesEqualPartsOnce) {
  EXPECT_EQ(Circuit(Expression::parse("min(abs(x), 3)+abs(x)"), {}).nodes().size(), 5u);
}

TEST(Circuit, OfXTimesAFactorAsksTheFactorForWhatYShows) {
  // x reaches 64, but y is held at 8: g need not be exact enough for x = 64.
  const Circuit scale(Expression::parse("x*exp2(-r)"), {.r = {16, 14}});
  const Circuit shifted(Expression::parse("x*exp2(-r)+0.001"), {.r = {16, 14}});
  int least = 32, most = 0;
  for (const CircuitNode& node : scale.nodes())
    if (node.op == Op::kExp2) least = node.format.fraction;
  for (const CircuitNode& node : shifted.nodes())
    if (node.op == Op::kExp2) most = node.format.fraction;
  EXPECT_LT(least, most);
}

TEST(Circuit, OfXTimesAFactorErrsByNoMoreThanItSaysWhateverTheFactorIsBeyondItsR) {
  // The factor is 0.25 to 0.2625 where r is, and 1000 at r = 1.
  const CircuitPorts ports{.r = {16, 16}};
  const Circuit circuit(Expression::parse("x*(0.26+0.02*r+max(1000*(r-0.5), 0))"), ports);
  EXPECT_LE(largest_error(circuit, 1), circuit.error());
}

TEST(Circuit, RefusesWhatIsNotProvedFiniteOrTakesTooManyBits) {
  const auto complaint = [](const char* text) {
    return testing::input_error([&] { Circuit(Expression::parse(text), {}); });
  };
  EXPECT_EQ(complaint("log2(x)"),
            "circuit of log2(x): not proved finite for x of 16 bits, 9 behind the point and r of 16 bits, 12 "
            "behind the "
            "point, expected a function that is");
  EXPECT_EQ(complaint("1/x"),
            "circuit of 1/x: not proved finite for x of 16 bits, 9 behind the point and r of 16 bits, 12 "
            "behind the "
            "point, expected a function that is");
  EXPECT_EQ(complaint("min(2e9*x, 1)"),
            "circuit of min(2000000000*x, 1): * reaches from -1.28e+11 to 1.27996e+11, which takes 43 bits "
            "with 5 behind "
            "the point, expected at most 32");
  EXPECT_EQ(complaint("x/0"),
            "circuit of x/0: not proved finite for x of 16 bits, 9 behind the point and r of 16 bits, 12 "
            "behind the "
            "point, expected a function that is");
}

}  // namespace
}  // namespace normgraft
