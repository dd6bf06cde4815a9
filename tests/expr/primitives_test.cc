#include "normgraft/expr/primitives.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>

#include "normgraft/core/random.h"

namespace normgraft {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// The derivative of f at x by central differences, with Richardson's extrapolation.
double difference_quotient(const std::function<double(double)>& f, double x) {
  const auto central = [&](double h) { return (f(x + h) - f(x - h)) / (2 * h); };
  return (4 * central(5e-4) - central(1e-3)) / 3;
}

TEST(Registry, ListsThePrimitivesInTheOrderOfOp) {
  size_t index = 0;
  for (const Primitive& p : primitives()) {
    EXPECT_EQ(static_cast<size_t>(p.op), index++);
    EXPECT_EQ(&primitive(p.op), &p);
  }
  EXPECT_EQ(index, kOpCount);
}

TEST(Registry, HasUniqueNamesThatAreFound) {
  std::set<std::string_view> names;
  for (const Primitive& p : primitives()) {
    EXPECT_TRUE(names.insert(p.name).second) << p.name;
    EXPECT_EQ(find_primitive(p.name), p.op);
  }
  EXPECT_EQ(find_primitive("tanhh"), std::nullopt);
  EXPECT_EQ(find_primitive(""), std::nullopt);
}

TEST(Registry, KnowsEverythingAboutEachPrimitive) {
  for (const Primitive& p : primitives()) {
    EXPECT_NE(p.value, nullptr) << p.name;
    EXPECT_NE(p.derivative, nullptr) << p.name;
    EXPECT_NE(p.bound, nullptr) << p.name;
  }
}

TEST(Primitives, ComputeWhatTheirNamesSay) {
  const float c[2] = {-1, 2};
  const auto value = [&](Op op, double a, double b = 0) { return primitive(op).value(a, b, c); };
  EXPECT_EQ(value(Op::kConstant, 0), -1);
  EXPECT_EQ(value(Op::kX, 0.3, 0.4), 0.3);
  EXPECT_EQ(value(Op::kR, 0.3, 0.4), 0.4);
  EXPECT_EQ(value(Op::kAdd, 3, 4), 7);
  EXPECT_EQ(value(Op::kSub, 3, 4), -1);
  EXPECT_EQ(value(Op::kMul, 3, 4), 12);
  EXPECT_EQ(value(Op::kDiv, 3, 4), 0.75);
  EXPECT_EQ(value(Op::kMin, 3, 4), 3);
  EXPECT_EQ(value(Op::kMax, 3, 4), 4);
  EXPECT_EQ(value(Op::kNeg, 3), -3);
  EXPECT_EQ(value(Op::kAbs, -3), 3);
  EXPECT_EQ(value(Op::kSquare, -3), 9);
  EXPECT_EQ(value(Op::kClip, -7), -1);
  EXPECT_EQ(value(Op::kClip, 0.5), 0.5);
  EXPECT_EQ(value(Op::kClip, 7), 2);
  EXPECT_NEAR(value(Op::kTanh, 0.5), 0.46211715726000975, 1e-15);
  EXPECT_NEAR(value(Op::kSigmoid, 0.5), 0.6224593312018546, 1e-15);
  EXPECT_NEAR(value(Op::kErf, 0.5), 0.5204998778130465, 1e-15);
  EXPECT_EQ(value(Op::kSqrt, 9), 3);
  EXPECT_EQ(value(Op::kRsqrt, 4), 0.5);
  EXPECT_NEAR(value(Op::kExp, 1), 2.718281828459045, 1e-15);
  EXPECT_NEAR(value(Op::kLog, 10), 2.302585092994046, 1e-15);
  EXPECT_NEAR(value(Op::kExp2, 0.5), 1.4142135623730951, 1e-15);
  EXPECT_NEAR(value(Op::kLog2, 10), 3.3219280948873623, 1e-15);
}

TEST(Primitives, FollowIeeeOutsideTheirDomains) {
  const auto value = [](Op op, double a, double b = 0) { return primitive(op).value(a, b, nullptr); };
  EXPECT_EQ(value(Op::kDiv, 1, 0), kInfinity);
  EXPECT_TRUE(std::isnan(value(Op::kDiv, 0, 0)));
  EXPECT_TRUE(std::isnan(value(Op::kSqrt, -1)));
  EXPECT_TRUE(std::isnan(value(Op::kRsqrt, -1)));
  EXPECT_EQ(value(Op::kRsqrt, 0), kInfinity);
  EXPECT_EQ(value(Op::kExp, 1000), kInfinity);
  EXPECT_EQ(value(Op::kLog, 0), -kInfinity);
  EXPECT_TRUE(std::isnan(value(Op::kLog, -1)));
  EXPECT_EQ(value(Op::kExp2, 2000), kInfinity);
  EXPECT_EQ(value(Op::kExp2, -2000), 0);
  EXPECT_EQ(value(Op::kLog2, 0), -kInfinity);
  EXPECT_TRUE(std::isnan(value(Op::kLog2, -1)));
  EXPECT_EQ(value(Op::kSigmoid, -1000), 0);
}

TEST(Primitives, PassNanOn) {
  const float c[2] = {-1, 2};
  for (const Primitive& p : primitives()) {
    if (p.arity == 0) continue;
    EXPECT_TRUE(std::isnan(p.value(kNan, 1, c))) << p.name;
    if (p.arity == 2) {
      EXPECT_TRUE(std::isnan(p.value(1, kNan, c))) << p.name;
    }
  }
}

TEST(Primitives, HaveDerivativesThatMatchDifferenceQuotients) {
  Random random({1});
  for (const Primitive& p : primitives()) {
    for (int sample = 0; sample < 2000; ++sample) {
      const bool positive = p.op == Op::kSqrt || p.op == Op::kRsqrt || p.op == Op::kLog || p.op == Op::kLog2;
      const double a = positive ? random.uniform(0.3, 4) : random.uniform(-4, 4);
      const double b = (random.below(2) == 0 ? -1 : 1) * random.uniform(0.3, 4);
      const float c[2] = {static_cast<float>(random.uniform(-4, 0)),
                          static_cast<float>(random.uniform(0, 4))};
      const bool near_a_kink = std::fabs(a) < 2e-3 || std::fabs(a - b) < 2e-3 || std::fabs(a - c[0]) < 2e-3 ||
                               std::fabs(a - c[1]) < 2e-3;
      if (near_a_kink) continue;
      double da = 0;
      double db = 0;
      double dc[2] = {0, 0};
      p.derivative(a, b, p.value(a, b, c), c, da, db, dc);
      const auto expect = [&](double partial, const std::function<double(double)>& f, double at) {
        const double expected = difference_quotient(f, at);
        ASSERT_NEAR(partial, expected, 1e-8 * (1 + std::fabs(expected)))
            << p.name << " at " << a << ", " << b;
      };
      if (p.arity >= 1)
        expect(
            da, [&](double v) { return p.value(v, b, c); }, a);
      if (p.arity == 2)
        expect(
            db, [&](double v) { return p.value(a, v, c); }, b);
    }
  }
}

TEST(Primitives, HaveDerivativesByTheirConstants) {
  const float c[2] = {-1, 2};
  double da = 0;
  double db = 0;
  double dc[2] = {9, 9};
  primitive(Op::kConstant).derivative(0, 0, -1, c, da, db, dc);
  EXPECT_EQ(dc[0], 1);
  const Primitive& clip = primitive(Op::kClip);
  const double at[] = {-5, -1, 0, 2, 5};
  const double inside[] = {0, 1, 1, 1, 0};
  for (int i = 0; i < 5; ++i) {
    clip.derivative(at[i], 0, clip.value(at[i], 0, c), c, da, db, dc);
    EXPECT_EQ(da, inside[i]);
    EXPECT_EQ(dc[0], i == 0);
    EXPECT_EQ(dc[1], i == 4);
  }
}

double random_end(Random& random) {
  switch (random.below(8)) {
    case 0:
      return 0;
    case 1:
      return random.below(2) == 0 ? -kInfinity : kInfinity;
    case 2:
      return random.normal() * 1e3;
    default:
      return random.normal() * 2;
  }
}

Interval random_interval(Random& random) {
  for (;;) {
    const double a = random_end(random);
    const double b = random.below(6) == 0 ? a : random_end(random);
    const Interval result{std::min(a, b), std::max(a, b)};
    if (!result.is_entire()) return result;
  }
}

double random_member(Random& random, Interval in) {
  switch (random.below(4)) {
    case 0:
      return in.low;
    case 1:
      return in.high;
    default:
      const double low = std::max(in.low, -1e4);
      const double high = std::min(in.high, 1e4);
      return low <= high ? random.uniform(low, high) : in.low;
  }
}

TEST(Primitives, HaveBoundsThatContainEveryValue) {
  Random random({2});
  for (const Primitive& p : primitives()) {
    for (int box = 0; box < 20'000; ++box) {
      const Interval in_a = random_interval(random);
      const Interval in_b = random_interval(random);
      const double bounds[2] = {random.normal(), random.normal()};
      const float c[2] = {static_cast<float>(std::min(bounds[0], bounds[1])),
                          static_cast<float>(std::max(bounds[0], bounds[1]))};
      const Interval out = p.bound(in_a, in_b, c);
      for (int sample = 0; sample < 8; ++sample) {
        const double a = random_member(random, in_a);
        const double b = random_member(random, in_b);
        const double value = p.value(a, b, c);
        ASSERT_TRUE(std::isnan(value) ? out.is_entire() : out.contains(value))
            << p.name << "(" << a << ", " << b << ") = " << value << " not in [" << out.low << ", "
            << out.high << "]";
      }
    }
  }
}

TEST(Primitives, HaveTightBoundsWhereTheyCan) {
  const float c[2] = {-1, 2};
  const auto bound = [&](Op op, Interval a, Interval b = {0, 0}) { return primitive(op).bound(a, b, c); };
  const auto expect = [](Interval got, double low, double high) {
    EXPECT_EQ(got.low, low);
    EXPECT_EQ(got.high, high);
  };
  expect(bound(Op::kSquare, {-2, 3}), 0, 9);
  expect(bound(Op::kSquare, {-3, -2}), 4, 9);
  expect(bound(Op::kAbs, {-2, 3}), 0, 3);
  expect(bound(Op::kMul, {-2, 3}, {-1, 4}), -8, 12);
  expect(bound(Op::kDiv, {1, 2}, {2, 4}), 0.25, 1);
  expect(bound(Op::kClip, {-7, 1}), -1, 1);
  expect(bound(Op::kTanh, {0, kInfinity}), -2e-323, 1);
  EXPECT_TRUE(bound(Op::kDiv, {1, 2}, {-1, 1}).is_entire());
  EXPECT_TRUE(bound(Op::kDiv, {1, 2}, {0, 1}).is_entire());
  EXPECT_TRUE(bound(Op::kSqrt, {-1e-300, 1}).is_entire());
  EXPECT_TRUE(bound(Op::kRsqrt, {0, 1}).is_entire());
  EXPECT_TRUE(bound(Op::kLog, {-1e-300, 1}).is_entire());
  EXPECT_EQ(bound(Op::kLog, {0, 1}).low, -kInfinity);
  EXPECT_NEAR(bound(Op::kLog, {0.5, 8}).low, std::log(0.5), 1e-14);
  EXPECT_NEAR(bound(Op::kLog, {0.5, 8}).high, std::log(8), 1e-14);
  EXPECT_TRUE(bound(Op::kLog2, {-1e-300, 1}).is_entire());
  EXPECT_EQ(bound(Op::kLog2, {0, 1}).low, -kInfinity);
  EXPECT_NEAR(bound(Op::kLog2, {0.5, 8}).low, -1, 1e-14);
  EXPECT_NEAR(bound(Op::kLog2, {0.5, 8}).high, 3, 1e-14);
  EXPECT_NEAR(bound(Op::kExp2, {-1, 3}).low, 0.5, 1e-14);
  EXPECT_NEAR(bound(Op::kExp2, {-1, 3}).high, 8, 1e-14);
  EXPECT_EQ(bound(Op::kExp2, {-kInfinity, 0}).low, 0);
  EXPECT_TRUE(bound(Op::kMul, {0, 1}, {1, kInfinity}).is_entire());
}

}  // namespace
}  // namespace normgraft
