#include "normgraft/integer/operations.h"

#include <gtest/gtest.h>

#include "integer/built_program.h"
#include "support/integer_programs.h"

namespace normgraft {
namespace {

using testing::BuiltProgram;
using Operations = std::map<std::string, int64_t>;

OperationCount count_of(const BuiltProgram& built, const std::string& place) {
  for (const auto& [name, count] : count_operations(built.program)) {
    if (name == place) return count;
  }
  ADD_FAILURE() << "no place " << place;
  return {};
}

TEST(IntegerOperations, OfALinear) {
  BuiltProgram built;
  const BufferIndex x = built.filled("x", 2, 8, std::vector<int64_t>(10, 1));
  const BufferIndex y = built.filled("y", 3, 16, {1, 2, 3});
  LinearStep step = built.sums(x, y, 2);
  built.step("linear", step);
  OperationCount count = count_of(built, "linear");
  EXPECT_EQ(count.operations, (Operations{{"multiply-add 8x8", 10},
                                          {"multiply 32x32", 2},
                                          {"add", 2 + 2 + 2},  // bias, rounding, zero
                                          {"shift", 2},
                                          {"compare", 4}}));
  EXPECT_EQ(count.bytes_read, 10 + 5 + 4 + 4 + 1);
  EXPECT_EQ(count.bytes_written, 2 * 2);
  std::get<LinearStep>(built.program.steps.back().step).adds = true;
  count = count_of(built, "linear");
  EXPECT_EQ(count.operations["add"], 8);
  EXPECT_EQ(count.bytes_read, 10 + 5 + 4 + 4 + 1 + 2 * 2);
}

TEST(IntegerOperations, OfALinearThatReads16Bits) {
  BuiltProgram built;
  const BufferIndex x = built.filled("x", 1, 16, std::vector<int64_t>(10, 1));
  built.step("linear", built.sums(x, built.buffer("y", 1, 1, 8)));
  EXPECT_EQ(count_of(built, "linear").operations["multiply-add 8x16"], 10);
  EXPECT_EQ(count_of(built, "fill x").operations, Operations{});
  EXPECT_EQ(count_of(built, "fill x").bytes_read, 20);
  EXPECT_EQ(count_of(built, "fill x").bytes_written, 20);
}

TEST(IntegerOperations, AScaleEvaluatesItsFunctionOnceARow) {
  BuiltProgram built;
  const BufferIndex x = built.filled("x", 2, 16, std::vector<int64_t>(14, 1));
  const BufferIndex y = built.buffer("y", 2, 7, 8);
  built.step("scale", ScaleStep{x, y, {built.tensor("g", {3}, 16, {1, 2, 3}), 0, 3}, 7, 2});
  const OperationCount count = count_of(built, "scale");
  EXPECT_EQ(count.operations, (Operations{{"table read", 2 * 2},
                                          {"multiply 32x32", 2 + 2 * 6},
                                          {"add", 2 * 5 + 2 * 6},
                                          {"shift", 2 * 4 + 2 * 6},
                                          {"compare", 2 * 3 + 2 * 2 * 6}}));
  EXPECT_EQ(count.bytes_read, 28 + 6);
  EXPECT_EQ(count.bytes_written, 14);
}

TEST(IntegerOperations, AScaleWithoutLowerBitsShiftsThemOutAndAddsNothingToRoundDown) {
  BuiltProgram built;
  const BufferIndex x = built.filled("x", 2, 16, std::vector<int64_t>(14, 1));
  const BufferIndex y = built.buffer("y", 2, 7, 8);
  ScaleStep step{x, y, {built.tensor("g", {3}, 16, {1, 2, 3}), 0, 3}, 7, 2};
  built.step("whole", step);
  step.floors = true;
  built.step("floors", step);
  step.r_cut = 2;
  step.x_cut = 3;
  built.step("cuts", step);
  const auto of = [&](const char* place, const char* kind) {
    return count_of(built, place).operations[kind];
  };
  EXPECT_EQ(of("floors", "add"), of("whole", "add") - 2 * 6);
  EXPECT_EQ(of("floors", "shift"), of("whole", "shift"));
  EXPECT_EQ(of("cuts", "add"), of("floors", "add") + 2 * 6);
  EXPECT_EQ(of("cuts", "shift"), of("floors", "shift") + 2 + 2 * 2 * 6);
  EXPECT_EQ(of("cuts", "multiply 32x32"), of("whole", "multiply 32x32"));
}

TEST(IntegerOperations, ACurveEvaluatesItsFunctionForEachNumber) {
  BuiltProgram built;
  const BufferIndex x = built.filled("x", 1, 16, std::vector<int64_t>(7, 1));
  const BufferIndex y = built.buffer("y", 1, 7, 8);
  built.step("curve", CurveStep{x, y, {built.tensor("f", {3}, 16, {1, 2, 3}), 0, 3}, 1});
  EXPECT_EQ(
      count_of(built, "curve").operations,
      (Operations{
          {"table read", 14}, {"multiply 32x32", 7}, {"add", 35}, {"shift", 28}, {"compare", 21 + 14}}));
}

TEST(IntegerOperations, ANormHasARootAndADivisionForEachRow) {
  BuiltProgram built;
  const BufferIndex x = built.filled("x", 3, 16, std::vector<int64_t>(12, 1));
  built.step("norm", NormStep{x, built.buffer("y", 3, 4, 8), 1, 0, {1, 0}, 3});
  const OperationCount count = count_of(built, "norm");
  EXPECT_EQ(count.operations.at("root"), 3);
  EXPECT_EQ(count.operations.at("divide"), 3);
  EXPECT_EQ(count.operations.at("multiply 64x64"), 2 * 12);
  EXPECT_EQ(count.operations.at("multiply 32x32"), 2 * 12);
}

TEST(IntegerOperations, OfAttention) {
  BuiltProgram built;
  const BufferIndex x = built.filled("x", 5, 8, std::vector<int64_t>(5 * 3 * 6, 1));
  AttentionStep step{.from = x, .to = built.buffer("y", 5, 6, 8), .heads = 2, .exp_bits = 15};
  step.exp.knots = built.tensor("exp", {3}, 16, {9, 1, 0});
  step.reciprocal = {built.tensor("reciprocal", {2}, 32, {32768, 16384}), 0, 16};
  built.step("attention", step);
  OperationCount count = count_of(built, "attention");
  EXPECT_EQ(count.operations["multiply-add 8x8"], 5 * 5 * 6);
  EXPECT_EQ(count.operations["multiply-add 8x16"], 5 * 5 * 6);
  EXPECT_EQ(count.operations["table read"], 2 * (2 * 5 * 5 + 2 * 5));
  EXPECT_EQ(count.operations["leading one"], 2 * 5);
  std::get<AttentionStep>(built.program.steps.back().step).exp_bits = 8;
  EXPECT_EQ(count_of(built, "attention").operations["multiply-add 8x8"], 2 * 5 * 5 * 6);
}

TEST(IntegerOperations, OfOnePlaceAreSummedInTheOrderOfTheSteps) {
  BuiltProgram built;
  const BufferIndex a = built.filled("a", 1, 8, {1, 2});
  built.step("b", FillStep{built.buffer("b", 1, 1, 8), built.tensor("b", {1}, 8, {1})});
  built.step("fill a", FillStep{a, "a"});
  const auto counts = count_operations(built.program);
  ASSERT_EQ(counts.size(), 2U);
  EXPECT_EQ(counts[0].first, "fill a");
  EXPECT_EQ(counts[0].second.bytes_written, 4);
  EXPECT_EQ(counts[1].first, "b");
}

TEST(IntegerOperations, OfDeiTTinyAreItsMultiplyAdds) {
  Random random({38});
  const IntegerProgram program = testing::random_integer_program(testing::shape_of_deit_tiny(), random);
  int64_t multiply_adds = 0;
  for (const auto& [place, count] : count_operations(program)) {
    for (const auto& [kind, times] : count.operations)
      multiply_adds += kind.starts_with("multiply-add") ? times : 0;
  }
  const int64_t linears =
      196 * 768 * 192 + 197 * 192 * 4 + 12 * 197 * (3 + 1 + 4 + 4) * 192 * 192 + 192 * 1000;
  EXPECT_EQ(multiply_adds, linears + 12 * 2 * 197 * 197 * 192);
}

OperationCount of_one_column(const BuiltProgram& narrow, const BuiltProgram& wide, const std::string& place) {
  OperationCount more = count_of(wide, place);
  for (const auto& [kind, times] : count_of(narrow, place).operations) more.operations[kind] -= times;
  std::erase_if(more.operations, [](const auto& kind) { return kind.second == 0; });
  return more;
}

BuiltProgram of_scale_and_norm(int64_t width) {
  BuiltProgram built;
  const BufferIndex x = built.filled("x", 1, 16, std::vector<int64_t>(static_cast<size_t>(width), 1));
  built.step(
      "scale",
      ScaleStep{x, built.buffer("y", 1, width, 8), {built.tensor("g", {3}, 16, {1, 2, 3}), 0, 3}, 7, 1});
  built.step("norm",
             NormStep{.from = x, .to = built.buffer("z", 1, width, 8), .rescale = {1 << 30, 45}, .rows = 1});
  return built;
}

TEST(IntegerOperations, AnElementOfAScaleCostsTheChangeOfUnitThatANormEndsWith) {
  const BuiltProgram narrow = of_scale_and_norm(7), wide = of_scale_and_norm(8);
  const Operations change_of_unit{{"multiply 32x32", 1}, {"add", 1}, {"shift", 1}, {"compare", 2}};
  EXPECT_EQ(of_one_column(narrow, wide, "scale").operations, change_of_unit);
  OperationCount norm = of_one_column(narrow, wide, "norm");
  for (const auto& [kind, times] : change_of_unit) EXPECT_GE(norm.operations[kind], times) << kind;
  EXPECT_EQ(norm.operations["multiply 64x64"], 2);
}

TEST(IntegerOperations, AreSummedOverNormSitesAndOverAll) {
  BuiltProgram built = of_scale_and_norm(7);
  built.program.sites = {"scale"};
  const ProgramOperations sums = sum_operations(built.program);
  EXPECT_EQ(sums.sites.operations, count_of(built, "scale").operations);
  EXPECT_EQ(sums.sites.bytes_read, count_of(built, "scale").bytes_read);
  EXPECT_EQ(sums.sites.bytes_written, 7);
  EXPECT_EQ(sums.all.operations.at("compare"), count_of(built, "scale").operations.at("compare") +
                                                   count_of(built, "norm").operations.at("compare"));
  EXPECT_EQ(sums.all.bytes_written, 14 + 7 + 7);
}

}  // namespace
}  // namespace normgraft
