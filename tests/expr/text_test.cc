#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cctype>
#include <cmath>

#include "expr/random_program.h"
#include "normgraft/core/error.h"

namespace normgraft {
namespace {

std::string reprinted(std::string_view text) {
  return Expression::parse(text).to_string();
}

std::string error_of(std::string_view text) {
  try {
    Expression::parse(text);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

/// Equal programs down to the bits of the constants, which tell 0 from -0.
::testing::AssertionResult same_expression(const Expression& a, const Expression& b) {
  if (a.size() != b.size()) return ::testing::AssertionFailure() << "sizes differ";
  for (size_t i = 0; i < a.size(); ++i) {
    const Instruction& p = a.program()[i];
    const Instruction& q = b.program()[i];
    if (p.op != q.op || std::bit_cast<uint64_t>(p.c) != std::bit_cast<uint64_t>(q.c)) {
      return ::testing::AssertionFailure() << "node " << i << " differs";
    }
  }
  return ::testing::AssertionSuccess();
}

TEST(Parser, ReadsOperatorsWithTheUsualPrecedence) {
  EXPECT_EQ(Expression::parse("1+2*3-8/4/2")(0), 6);
  EXPECT_EQ(Expression::parse("10-4-3")(0), 3);
  EXPECT_EQ(Expression::parse("(1+2)*3")(0), 9);
  EXPECT_EQ(Expression::parse("-x*2")(3), -6);
  EXPECT_EQ(Expression::parse("2--x")(3), 5);
  EXPECT_EQ(Expression::parse("2*-x")(3), -6);
}

TEST(Parser, ReadsBothVariables) {
  EXPECT_EQ(Expression::parse("x-2*r")(7, 3), 1);
  EXPECT_EQ(Expression::parse("x*rsqrt(r)"), Expression({{Op::kX}, {Op::kR}, {Op::kRsqrt}, {Op::kMul}}));
  EXPECT_NE(error_of("r(x)").find("column 2"), std::string::npos);
}

TEST(Parser, ReadsNumbersInEveryNotation) {
  EXPECT_EQ(Expression::parse("1.5e2").constants(), std::vector<float>{150});
  EXPECT_EQ(Expression::parse(".5").constants(), std::vector<float>{0.5F});
  EXPECT_EQ(Expression::parse("2.").constants(), std::vector<float>{2});
  EXPECT_EQ(Expression::parse("-1E-3").constants(), std::vector<float>{-1e-3F});
  EXPECT_EQ(Expression::parse("0.1").constants(), std::vector<float>{0.1F});
  EXPECT_EQ(Expression::parse("1.4e-45").constants(), std::vector<float>{1.4e-45F});
}

TEST(Parser, TakesAMinusBeforeANumberAsItsSign) {
  EXPECT_EQ(Expression::parse("-2").size(), 1U);
  EXPECT_EQ(Expression::parse("- 2").size(), 1U);
  EXPECT_EQ(Expression::parse("-(2)").size(), 2U);
  EXPECT_EQ(Expression::parse("--2").size(), 2U);
  EXPECT_EQ(Expression::parse("x-2").size(), 3U);
  EXPECT_EQ(Expression::parse("x - -2")(1), 3);
}

TEST(Parser, IgnoresSpaces) {
  EXPECT_EQ(Expression::parse(" 0.48 *\tclip ( 2 * x + 0.17 ,-5,\n5 ) "),
            Expression::parse("0.48*clip(2*x+0.17, -5, 5)"));
}

TEST(Parser, KnowsEveryFunctionOfTheRegistry) {
  for (const Primitive& p : primitives()) {
    if (p.arity == 0 || p.op == Op::kNeg || !std::isalpha(static_cast<unsigned char>(p.name.front())))
      continue;
    std::string text = std::string(p.name) + "(x";
    if (p.arity == 2) text += ", 2";
    if (p.constants == 2) text += ", -1, 1";
    text += ")";
    EXPECT_EQ(Expression::parse(text).program().back().op, p.op) << text;
    EXPECT_EQ(reprinted(text), text);
  }
}

TEST(Parser, RejectsAnUnknownFunctionAndShowsTheColumn) {
  EXPECT_EQ(
      error_of("2*tanhh(x)"),
      "expression \"2*tanhh(x)\": column 3: unknown function \"tanhh\", expected one of abs, clip, erf, exp, "
      "exp2, log, log2, max, min, rsqrt, sigmoid, sqrt, square, tanh");
}

TEST(Parser, RejectsMalformedTextAndShowsTheColumn) {
  struct Case {
    std::string text;
    int column;
    std::string says;
  };
  const Case cases[] = {
      {"", 1, "found the end, expected a number, x, r, a function or \"(\""},
      {"   ", 4, "found the end"},
      {"+", 1, "found \"+\""},
      {"+x", 1, "found \"+\""},
      {"x+", 3, "found the end"},
      {"x*", 3, "found the end"},
      {"x+*2", 3, "found \"*\""},
      {"x 2", 3, "expected an operator or the end"},
      {"2x", 2, "expected an operator or the end"},
      {"2 3", 3, "expected an operator or the end"},
      {"(x", 3, "expected \")\""},
      {"(", 2, "found the end"},
      {"()", 2, "found \")\""},
      {"x)", 2, "expected an operator or the end"},
      {"((x)", 5, "expected \")\""},
      {"tanh", 5, "expected \"(\""},
      {"tanh x", 6, "expected \"(\""},
      {"tanh()", 6, "found \")\""},
      {"tanh(x", 7, "expected \")\""},
      {"tanh(x, 2)", 7, "expected \")\""},
      {"min(x)", 6, "expected \",\""},
      {"min(x, 1, 2)", 9, "expected \")\""},
      {"max(, 1)", 5, "found \",\""},
      {"clip(x)", 7, "expected \",\""},
      {"clip(x, 1)", 10, "expected \",\""},
      {"clip(x, -1, 1, 2)", 14, "expected \")\""},
      {"clip(x, x, 1)", 9, "expected a number"},
      {"clip(x, -x, 1)", 10, "expected a number"},
      {"clip(x, --1, 1)", 10, "expected a number"},
      {"clip(x, 2, 1)", 9, "bounds 2 > 1, expected low <= high"},
      {"clip(x, (1), 2)", 9, "expected a number"},
      {"y", 1, "unknown name \"y\", expected x, r or one of abs,"},
      {"X", 1, "unknown name \"X\""},
      {"xx", 1, "unknown name \"xx\""},
      {"x1", 1, "unknown name \"x1\""},
      {"exp3(x)", 1, "unknown function \"exp3\""},
      {"log 2(x)", 5, "expected \"(\""},
      {"neg(x)", 1, "unknown function \"neg\""},
      {"constant", 1, "unknown name \"constant\""},
      {"x(2)", 2, "expected an operator or the end"},
      {"nan", 1, "unknown name \"nan\""},
      {"-inf", 2, "unknown name \"inf\""},
      {"1e40", 1, "1e40 is outside the range of float"},
      {"x*1e-60", 3, "1e-60 is outside the range of float"},
      {"-1e39", 2, "outside the range of float"},
      {"clip(x, -1e39, 1)", 10, "outside the range of float"},
      {"1e", 2, "expected an operator or the end"},
      {"1.2.3", 4, "expected an operator or the end"},
      {"0x10", 2, "expected an operator or the end"},
      {".", 1, "found \".\""},
      {"x^2", 2, "found \"^\", expected an operator or the end"},
      {"x**2", 3, "found \"*\""},
      {"x,2", 2, "found \",\""},
      {"x\n+\n", 5, "found the end"},
      {std::string("x\0+x", 4), 2, "expected an operator or the end"},
      {"x+\xc3\xa9", 3, "expected a number, x, r, a function or \"(\""},
  };
  for (const Case& c : cases) {
    const std::string message = error_of(c.text);
    EXPECT_NE(message.find(fmt::format("\": column {}: ", c.column)), std::string::npos)
        << c.text << ": " << message;
    EXPECT_NE(message.find(c.says), std::string::npos) << c.text << ": " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << c.text;
  }
}

TEST(Parser, ShowsOnlyThePlaceOfALongText) {
  std::string text = "x";
  for (int i = 0; i < 500; ++i) text += "+x";
  const std::string message = error_of(text + "+?" + text);
  EXPECT_NE(message.find("column 1003: found \"?\""), std::string::npos) << message;
  EXPECT_LT(message.size(), 250U);
}

TEST(Parser, LimitsNestingAndLength) {
  const auto repeated = [](std::string_view part, size_t count) {
    std::string text;
    for (size_t i = 0; i < count; ++i) text += part;
    return text;
  };
  EXPECT_EQ(Expression::parse(repeated("(", 900) + "x" + repeated(")", 900)), Expression());
  EXPECT_NE(error_of(repeated("(", 1'000'000)).find("column 1001: nested too deeply"), std::string::npos);
  EXPECT_NE(error_of(repeated("abs(", 1'000'000)).find("nested too deeply"), std::string::npos);
  EXPECT_NE(error_of(repeated("-(", 1'000'000)).find("nested too deeply"), std::string::npos);
  EXPECT_NE(error_of(repeated("-", 1'000'000) + "x").find("expected at most 10000 nodes"), std::string::npos);
  EXPECT_NE(error_of(repeated("x+", 1'000'000)).find("expected at most 10000 nodes"), std::string::npos);
}

TEST(Printer, UsesAsFewParenthesesAsNeeded) {
  const char* cases[] = {"0.48*clip(2*x+0.17, -5, 5)",
                         "x+1+2",
                         "x+(1+2)",
                         "x-(1-2)",
                         "x-1-2",
                         "x/(2*x)",
                         "x/2*x",
                         "x*(x*2)",
                         "(x+1)*2",
                         "2*(x+1)",
                         "-x*2",
                         "-(x*2)",
                         "-(x+1)",
                         "-tanh(x)",
                         "--x",
                         "-(2)",
                         "--2",
                         "x - -2",
                         "x + -2",
                         "2 * -x",
                         "min(x+1, -2)",
                         "clip(x, -0, 1e-05)",
                         "1e+20*x",
                         "0.1+x",
                         "x*rsqrt(r)",
                         "r-(x-r)"};
  for (const std::string text : cases) EXPECT_EQ(reprinted(text), text);
  EXPECT_EQ(reprinted("((x)+((1)))"), "x+1");
  EXPECT_EQ(reprinted("(x*2)/3"), "x*2/3");
}

TEST(Printer, GivesTextThatReadsBackAsTheSameProgram) {
  Random random({4});
  for (int i = 0; i < 20'000; ++i) {
    const Expression e = random_expression_of_two(random, 1 + static_cast<int>(random.below(7)));
    const std::string text = e.to_string();
    ASSERT_TRUE(same_expression(Expression::parse(text), e)) << text;
  }
}

TEST(Printer, GivesBackEveryFloat) {
  Random random({5});
  for (int i = 0; i < 100'000; ++i) {
    const float value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (!std::isfinite(value)) continue;
    const Expression e({{Op::kConstant, {value}}});
    ASSERT_TRUE(same_expression(Expression::parse(e.to_string()), e)) << e.to_string();
  }
}

}  // namespace
}  // namespace normgraft
