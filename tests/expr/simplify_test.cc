#include <gtest/gtest.h>

#include <cmath>

#include "expr/random_program.h"

namespace normgraft {
namespace {

std::string simple(std::string_view text) {
  return simplify(Expression::parse(text)).to_string();
}

TEST(Simplify, RemovesWhatDoesNothing) {
  struct Case {
    const char* text;
    const char* expected;
  };
  const Case cases[] = {
      {"x+0", "x"},
      {"0+x", "x"},
      {"x-0", "x"},
      {"0-x", "-x"},
      {"x*1", "x"},
      {"-1*x", "-x"},
      {"x/1", "x"},
      {"x*0", "0"},
      {"0*tanh(x)", "0"},
      {"--x", "x"},
      {"-(2)", "-2"},
      {"x-x", "0"},
      {"tanh(x)-tanh(x)", "0"},
      {"(1+abs(x))/(1+abs(x))", "1"},
      {"2*3+x", "x+6"},
      {"tanh(0)+x", "x"},
      {"1+x+2", "x+3"},
      {"1+x-3", "x-2"},
      {"1-(x+3)", "-2-x"},
      {"1-(3-x)", "x-2"},
      {"(x+1)+(tanh(x)+2)", "x+tanh(x)+3"},
      {"2*(3*x)", "6*x"},
      {"x*2*tanh(x)*3", "6*(x*tanh(x))"},
      {"x/4", "0.25*x"},
      {"4*x/8", "0.5*x"},
      {"3/(2*x)", "1.5/x"},
      {"x/(2*tanh(x))", "0.5*(x/tanh(x))"},
      {"x+ -tanh(x)", "x-tanh(x)"},
      {"-tanh(x)+x", "x-tanh(x)"},
      {"-(x-tanh(x))", "tanh(x)-x"},
      {"-(x+1)", "-1-x"},
      {"-(2*x)", "-2*x"},
      {"-x*-x", "square(x)"},
      {"-x/-tanh(x)", "x/tanh(x)"},
      {"x*x", "square(x)"},
      {"tanh(x)+tanh(x)", "2*tanh(x)"},
      {"square(-x)", "square(x)"},
      {"square(abs(x))", "square(x)"},
      {"abs(-x)", "abs(x)"},
      {"abs(abs(x))", "abs(x)"},
      {"abs(abs(1/x))", "abs(1/x)"},
      {"abs(exp(x))", "exp(x)"},
      {"sqrt(square(x))", "abs(x)"},
      {"min(x, x)", "x"},
      {"min(min(x, 2), 3)", "min(x, 2)"},
      {"max(1, max(x, 3))", "max(x, 3)"},
      {"min(tanh(x), 2)", "tanh(x)"},
      {"max(tanh(x), 2)", "2"},
      {"clip(tanh(x), -1, 1)", "tanh(x)"},
      {"clip(sigmoid(x), 2, 3)", "2"},
      {"clip(clip(x, -5, 5), -1, 7)", "clip(x, -1, 5)"},
      {"clip(clip(x, -5, 5), 6, 7)", "6"},
      {"clip(x, 2, 2)", "2"},
      {"r*r", "square(r)"},
      {"r-r", "0"},
      {"x*(2*r)", "2*(x*r)"},
      {"log(exp(x-1))", "x-1"},
      {"exp(log(square(x)))", "square(x)"},
      {"1/exp(2*r)", "exp(-2*r)"},
      {"1/exp(x-r)", "exp(r-x)"},
      {"log2(exp2(x-1))", "x-1"},
      {"exp2(log2(square(x)))", "square(x)"},
      {"1/exp2(2*r)", "exp2(-2*r)"},
      {"1/exp2(x-r)", "exp2(r-x)"},
      {"exp2(3)*x", "8*x"},
  };
  for (const Case& c : cases) EXPECT_EQ(simple(c.text), c.expected) << c.text;
}

TEST(Simplify, KeepsWhatMayLeaveItsDomain) {
  for (const std::string text :
       {"0*sqrt(x)", "0*exp(x)", "sqrt(x)-sqrt(x)", "x/x", "0/x", "clip(1/x, 2, 2)", "1/0", "square(sqrt(x))",
        "max(sqrt(x), -1)", "x-r", "r/r", "exp(log(x))", "exp2(log2(x))", "0*exp2(x)"}) {
    EXPECT_EQ(simple(text), text);
  }
}

TEST(Simplify, KeepsAnExponentialOfALogarithmToAnotherBase) {
  for (const std::string text :
       {"log2(exp(x))", "log(exp2(x))", "exp2(log(square(x)))", "exp(log2(square(x)))"}) {
    EXPECT_EQ(simple(text), text);
  }
}

TEST(Simplify, DoesNotFoldConstantsThatOverflowOrUnderflow) {
  for (const std::string text : {"exp(100)", "1/exp(100)+x", "rsqrt(exp(rsqrt(0)))*x", "1e+30*(1e+30*x)",
                                 "1e-30*(1e-30*x)", "x+1e+20-1e+20"}) {
    EXPECT_EQ(simplify(Expression::parse(text)).size(), Expression::parse(text).size()) << text;
  }
}

/// How far the value moves when each constant moves by up to two units in the last place.
double sensitivity(const Expression& e, double x, double r, Random& random) {
  const double value = e(x, r);
  double largest = 0;
  for (int repeat = 0; repeat < 12; ++repeat) {
    Expression moved = e;
    std::vector<float> constants = moved.constants();
    const float direction = random.below(2) == 0 ? -INFINITY : INFINITY;
    for (float& c : constants) {
      const float towards = random.below(2) == 0 ? direction : -direction;
      c = c == 0 ? 0 : std::nextafter(std::nextafter(c, towards), towards);
    }
    size_t k = 0;
    bool ordered = true;
    for (const Instruction& i : e.program()) {
      if (i.op == Op::kClip) ordered = ordered && constants[k] <= constants[k + 1];
      k += primitive(i.op).constants;
    }
    if (!ordered) continue;
    moved.set_constants(constants);
    largest = std::max(largest, std::fabs(moved(x, r) - value));
  }
  return largest;
}

TEST(Simplify, KeepsValuesIsNeverLongerAndIsIdempotent) {
  Random random({6});
  size_t before = 0;
  size_t after = 0;
  int compared = 0;
  for (int i = 0; i < 10'000; ++i) {
    const int depth = 1 + static_cast<int>(random.below(7));
    const Expression e =
        i % 2 == 0 ? random_expression(random, depth) : random_expression_of_two(random, depth);
    const Expression s = simplify(e);
    before += e.size();
    after += s.size();
    ASSERT_LE(s.size(), e.size()) << e.to_string() << " became " << s.to_string();
    ASSERT_EQ(simplify(s), s) << e.to_string() << " became " << s.to_string() << " became "
                              << simplify(s).to_string();
    for (int sample = 0; sample < 5; ++sample) {
      const double x = random.uniform(-20, 20), r = i % 2 == 0 ? 0 : random.uniform(-20, 20);
      const double value = e(x, r);
      if (!every_node_within(e, x, 1e300, r)) continue;
      ++compared;
      const double tolerance = 1e-6 * (1e-3 + std::fabs(value)) +
                               16 * (sensitivity(e, x, r, random) + sensitivity(s, x, r, random));
      ASSERT_NEAR(s(x, r), value, tolerance)
          << e.to_string() << " became " << s.to_string() << " at " << x << ", " << r;
    }
  }
  EXPECT_LT(after, before * 9 / 10);
  EXPECT_GE(compared, 20'000);
}

}  // namespace
}  // namespace normgraft
