// The exporter for PyTorch against the interpreter.
#include <bit>
#include <cmath>
#include <limits>

#include "emit/exported.h"
#include "expr/random_program.h"
#include "support/temporary_folder.h"
#include "torch_functions.h"

namespace normgraft {
namespace {

using testing::FunctionMap;
using testing::PyTorchValues;
using testing::TemporaryFolder;
using testing::values_in_pytorch;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A number format: a function of the library may be off by `unit` of its value (four units in the last
/// place; those of exp, tanh and erf promise one, sigmoid and rsqrt compose up to three such) and by `least`:
/// what is below the normal numbers may be lost. What is beyond `most` is infinite.
struct Precision {
  double unit, least, most;
};

template <typename T>
constexpr Precision kPrecision{4.0 * std::numeric_limits<T>::epsilon(), std::numeric_limits<T>::min(),
                               std::numeric_limits<T>::max()};

/// Where f(x, r) lies when every step is off by as much as the precision allows, by interval arithmetic;
/// entire() when a step may leave its domain or overflow.
Interval reachable(const Expression& f, double x, double r, const Precision& precision) {
  std::vector<Interval> stack;
  for (const Instruction& step : f.program()) {
    const Primitive& p = primitive(step.op);
    Interval operands[2] = {Interval::point(x), Interval::point(r)};
    for (int k = p.arity; k-- > 0;) {
      operands[k] = stack.back();
      stack.pop_back();
    }
    const Interval exact = p.bound(operands[0], operands[1], step.c);
    if (!(std::max(-exact.low, exact.high) <= precision.most)) return Interval::entire();
    const bool rounds = p.arity > 0;
    const auto slack = [&](double v) {
      return rounds ? precision.unit * std::abs(v) + precision.least : 0.0;
    };
    stack.push_back({exact.low - slack(exact.low), exact.high + slack(exact.high)});
  }
  return stack.back();
}

std::string numbered(size_t i) {
  return fmt::format("site.{:05}", i);
}

/// Compares the programs' values in PyTorch with the interpreter's, at each point for each r; returns in how
/// many comparisons each primitive took part.
std::vector<size_t> expect_agreement(const std::vector<Expression>& programs,
                                     const std::vector<double>& points, const std::vector<double>& rs,
                                     const PyTorchValues& values) {
  // Where a program magnifies rounding beyond these, its value says nothing about how it is spelled.
  constexpr double kWorthComparing = 1e-9, kWorthComparingSingle = 1e-3;
  const size_t each = rs.size() * points.size(), total = programs.size() * each;
  std::vector<size_t> seen(kOpCount);
  EXPECT_EQ(values.in_double.size(), total);
  EXPECT_EQ(values.in_float.size(), total);
  if (::testing::Test::HasFailure()) return seen;
  size_t compared = 0, compared_single = 0;
  const auto agrees = [](double value, const Interval& where, double worth) {
    const bool close = where.finite() && where.high - where.low <= worth * (1 + std::abs(where.low));
    if (!close) return std::optional<bool>();
    return std::optional(where.contains(value));
  };
  for (size_t i = 0; i < total; ++i) {
    const Expression& f = programs[i / each];
    const double x = points[i % points.size()], r = rs[i / points.size() % rs.size()];
    const auto in_double =
        agrees(values.in_double[i], reachable(f, x, r, kPrecision<double>), kWorthComparing);
    const auto in_float =
        agrees(values.in_float[i], reachable(f, x, r, kPrecision<float>), kWorthComparingSingle);
    if (!in_double.value_or(true) || !in_float.value_or(true)) {
      ADD_FAILURE() << f.to_string() << " at " << x << ", " << r << ": " << values.in_double[i] << " and "
                    << values.in_float[i] << ", expected " << f(x, r);
      return seen;
    }
    compared_single += in_float.has_value();
    if (!in_double) continue;
    ++compared;
    for (const Instruction& step : f.program()) ++seen[static_cast<size_t>(step.op)];
  }
  EXPECT_GT(compared, total / 2);
  EXPECT_GT(compared_single, total / 2);
  return seen;
}

TEST(TorchExporter, RandomProgramsAgreeWithTheInterpreter) {
  const TemporaryFolder folder;
  constexpr size_t kPrograms = 1000;
  FunctionMap functions;
  std::vector<Expression> programs;
  for (size_t i = 0; i < kPrograms; ++i) {
    Random random({21, i});
    programs.push_back(random_expression(random, 7));
    functions.emplace(numbered(i), programs.back());
  }
  std::vector<double> points;
  for (int i = -48; i <= 48; ++i) points.push_back(i / 8.0);
  const std::vector<size_t> seen =
      expect_agreement(programs, points, {0}, values_in_pytorch(functions, points, folder.path()));
  for (const Primitive& p : primitives()) {
    if (p.op == Op::kR) continue;
    EXPECT_GT(seen[static_cast<size_t>(p.op)], 1000U) << p.name;
  }
}

TEST(TorchExporter, FunctionsOfTwoVariablesAgreeWithTheInterpreter) {
  const TemporaryFolder folder;
  std::vector<Expression> programs;
  for (const char* text : {"r", "rsqrt(r)", "2*exp(-r)", "x*rsqrt(r)"})
    programs.push_back(Expression::parse(text));
  Random random({23});
  while (programs.size() < 300) {
    const Expression f = random_expression_of_two(random, 7);
    if (f.reads(Op::kR)) programs.push_back(f);
  }
  std::string definitions = "import torch\n\n\n", table;
  for (size_t i = 0; i < programs.size(); ++i) {
    const std::string name = fmt::format("f{}", i);
    definitions += torch_definition(name, programs[i]);
    table += fmt::format("    {}: {},\n", i, name);
  }
  write_atomically(folder / "graft.py", definitions + "FUNCTIONS = {\n" + table + "}\n");
  std::vector<double> points;
  for (int i = -20; i <= 20; ++i) points.push_back(i / 4.0);
  const std::vector<double> rs = {-2.5, -0.5, 0.25, 1, 3};
  testing::write_doubles(folder / "r.f64", rs);
  const std::vector<size_t> seen =
      expect_agreement(programs, points, rs, testing::evaluated(points, folder.path()));
  for (const Op op : {Op::kX, Op::kR}) EXPECT_GT(seen[static_cast<size_t>(op)], 10'000U);
}

/// The same not-a-number, the same infinity, or at most four units in the last place apart.
bool same(double value, double expected) {
  if (std::isnan(expected)) return std::isnan(value);
  if (std::isinf(expected)) return value == expected;
  return std::abs(value - expected) <=
         kPrecision<double>.unit * std::abs(expected) + 4 * std::numeric_limits<double>::denorm_min();
}

TEST(TorchExporter, EveryPrimitiveIsIeeeAtZerosInfinitiesAndNan) {
  const TemporaryFolder folder;
  FunctionMap functions;
  std::vector<Expression> programs;
  const auto add = [&](std::vector<Instruction> program) {
    programs.emplace_back(std::move(program));
    functions.emplace(numbered(functions.size()), programs.back());
  };
  const Instruction x{Op::kX, {}};
  for (const Primitive& p : primitives()) {
    if (p.arity == 0 && p.op != Op::kR) add({{p.op, {-0.75F, 0}}});
    if (p.arity == 1) add({x, {p.op, {-1.5F, p.constants == 2 ? 0.1F : 0}}});
    if (p.arity != 2) continue;
    for (const float c : {0.0F, -0.0F, 1.0F, -2.5F}) {
      const Instruction constant{Op::kConstant, {c, 0}};
      add({x, constant, {p.op, {}}});
      add({constant, x, {p.op, {}}});
    }
  }
  const std::vector<double> points = {
      0.0,   -0.0,  1.0,    -1.0,   0.5,       -2.5,       0.1F,
      30.0,  -30.0, 800.0,  -800.0, 1e-310,    -1e-310,    1e300,
      1e-12, 1e200, -1e200, -1e300, kInfinity, -kInfinity, std::numeric_limits<double>::quiet_NaN()};
  const PyTorchValues values = values_in_pytorch(functions, points, folder.path());
  ASSERT_EQ(values.in_double.size(), programs.size() * points.size());
  for (size_t i = 0; i < values.in_double.size(); ++i) {
    const Expression& f = programs[i / points.size()];
    const double at = points[i % points.size()];
    EXPECT_TRUE(same(values.in_double[i], f(at)))
        << f.to_string() << " at " << at << ": " << values.in_double[i] << ", expected " << f(at);
  }
}

TEST(TorchExporter, ConstantsArriveBitForBit) {
  const TemporaryFolder folder;
  std::vector<float> constants = {0.0F,
                                  -0.0F,
                                  0.1F,
                                  1e20F,
                                  16777216.0F,
                                  std::numeric_limits<float>::max(),
                                  std::numeric_limits<float>::lowest(),
                                  std::numeric_limits<float>::min(),
                                  std::numeric_limits<float>::denorm_min()};
  for (Random random({22}); constants.size() < 1000;) {
    const auto c = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (std::isfinite(c)) constants.push_back(c);
  }
  FunctionMap functions;
  for (size_t i = 0; i < constants.size(); ++i)
    functions.emplace(numbered(i), Expression(std::vector<Instruction>{{Op::kConstant, {constants[i], 0}}}));
  for (size_t i = 0; i < constants.size(); ++i) {
    const float c = constants[i];
    functions.emplace(numbered(constants.size() + i),
                      Expression(std::vector<Instruction>{{Op::kX, {}}, {Op::kClip, {c, c}}}));
  }
  const PyTorchValues values = values_in_pytorch(functions, {0.5}, folder.path());
  ASSERT_EQ(values.in_float.size(), 2 * constants.size());
  ASSERT_EQ(values.in_double.size(), 2 * constants.size());
  for (size_t i = 0; i < 2 * constants.size(); ++i) {
    const double c = constants[i % constants.size()];
    EXPECT_EQ(std::bit_cast<uint64_t>(values.in_float[i]), std::bit_cast<uint64_t>(c)) << c;
    EXPECT_EQ(std::bit_cast<uint64_t>(values.in_double[i]), std::bit_cast<uint64_t>(c)) << c;
  }
}

TEST(TorchExporter, NestsNoDeeperThanPythonReads) {
  const TemporaryFolder folder;
  std::vector<Instruction> negations{{Op::kX, {}}};
  for (int i = 0; i < 1001; ++i) negations.push_back({Op::kNeg, {}});
  std::vector<Instruction> sum{{Op::kX, {}}};  // x + (x + (x + ...))
  for (int i = 0; i < 500; ++i) sum.push_back({Op::kX, {}});
  for (int i = 0; i < 500; ++i) sum.push_back({Op::kAdd, {}});
  const FunctionMap functions{{"a", Expression(negations)}, {"b", Expression(sum)}};
  EXPECT_EQ(values_in_pytorch(functions, {0.25}, folder.path()).in_double, (std::vector{-0.25, 0.25 * 501}));
}

}  // namespace
}  // namespace normgraft
