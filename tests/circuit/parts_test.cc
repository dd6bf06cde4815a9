#include "normgraft/circuit/parts.h"

#include <gtest/gtest.h>

namespace normgraft {
namespace {

double part(const std::string& text, CircuitPart which, const CircuitPorts& ports = {}) {
  return parts_of(Circuit(Expression::parse(text), ports))[static_cast<size_t>(which)];
}

TEST(CircuitParts, CountTheBitsThatEachOperationTakes) {
  EXPECT_EQ(part("x", CircuitPart::kAdder), 0);
  EXPECT_EQ(part("x", CircuitPart::kUnit), 1);
  EXPECT_EQ(part("x+r", CircuitPart::kAdder, {.r = {16, 9}}), 17);
  EXPECT_EQ(part("min(x, r)", CircuitPart::kChoice, {.r = {16, 9}}), 16);
  EXPECT_EQ(part("abs(x)", CircuitPart::kAbs), 17);
  EXPECT_EQ(part("clip(x, -1, 1)", CircuitPart::kClip), 16);
  EXPECT_EQ(part("x*r", CircuitPart::kProduct), 19 * 8);
}

TEST(CircuitParts, CountAMultiplierForEachProductOfAtMost18Bits) {
  EXPECT_EQ(part("x*r", CircuitPart::kMultiplier), 1);
  EXPECT_EQ(part("x*r", CircuitPart::kMultiplier, {.x = {13, 9}, .r = {18, 12}}), 1);
  EXPECT_EQ(part("x*r", CircuitPart::kMultiplier, {.x = {12, 9}, .r = {19, 12}}), 2);
  EXPECT_EQ(part("x*r", CircuitPart::kMultiplier, {.x = {19, 9}, .r = {12, 12}}), 2);
  EXPECT_EQ(part("square(x)+x*r", CircuitPart::kMultiplier), 2);
  EXPECT_EQ(part("1.3125*x", CircuitPart::kMultiplier), 0);
  EXPECT_EQ(part("tanh(x)", CircuitPart::kMultiplier), 1) << "pieces have a slope";
}

TEST(CircuitParts, OfAFactorAreOneSumForEachDigitButTheFirst) {
  EXPECT_EQ(part("2*x", CircuitPart::kDigit), 0);
  EXPECT_EQ(part("1.5*x", CircuitPart::kDigit), 19);     // 2 - 0.5
  EXPECT_GT(part("1.3125*x", CircuitPart::kDigit), 30);  // 1 + 0.25 + 0.0625
}

TEST(CircuitParts, OfTheOutputAreThereWhereItIsRoundedAndHeld) {
  const CircuitPorts same{.x = {8, 4}, .y = {8, 4}}, coarser{.x = {8, 5}, .y = {8, 4}},
      narrower{.x = {10, 4}, .y = {8, 4}};
  EXPECT_EQ(part("x", CircuitPart::kRounding, same), 0);
  EXPECT_EQ(part("x", CircuitPart::kHolding, same), 0);
  EXPECT_EQ(part("x", CircuitPart::kRounding, coarser), 8);
  EXPECT_EQ(part("x", CircuitPart::kHolding, coarser), 0);
  EXPECT_EQ(part("x", CircuitPart::kHolding, narrower), 8);
}

TEST(CircuitParts, OfACurveThatIsNotFittedAreNearThoseOfTheFittedOne) {
  for (const char* text : {"tanh(x)", "sigmoid(x)", "exp(0.04*x)", "log2(abs(x)+0.6)", "exp2(0.06*x)"}) {
    SCOPED_TRACE(text);
    const Expression f = Expression::parse(text);
    const CircuitParts fitted = parts_of(Circuit(f, {})), estimated = parts_of(Circuit(f, {}, 0.5, false));
    for (const CircuitPart which : {CircuitPart::kTable, CircuitPart::kProduct}) {
      const double a = fitted[static_cast<size_t>(which)], b = estimated[static_cast<size_t>(which)];
      EXPECT_LE(std::max(a, b), 2.5 * std::min(a, b) + 30) << part_name(which);
    }
  }
}

}  // namespace
}  // namespace normgraft
