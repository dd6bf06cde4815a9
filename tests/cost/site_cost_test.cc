#include "normgraft/cost/site_cost.h"

#include <gtest/gtest.h>

#include <cmath>

namespace normgraft {
namespace {

SiteMapping site_with_r() {
  SiteMapping site;
  site.channels = 192;
  site.edges = {-0.4, 0.9};
  site.carried.channel = true;
  site.carried.low = -0.5;
  site.carried.high = 1;
  return site;
}

TEST(PortsAtSite, HoldTheRangesWithTheSmallestSteps) {
  const CircuitPorts alone = ports_at_site({-3, 5}, {}, 2.5);
  EXPECT_EQ(alone.x, (FixedPoint{16, 12}));
  EXPECT_EQ(alone.y, (FixedPoint{8, 5}));
  const CircuitPorts scaled = ports_at_site(site_with_r());
  EXPECT_EQ(scaled.y, (FixedPoint{8, 3}));   // sqrt(191) is 13.8
  EXPECT_EQ(scaled.x, (FixedPoint{16, 9}));  // 13.8 e is 37.6
  EXPECT_EQ(scaled.r, (FixedPoint{16, 14}));
  EXPECT_EQ(scaled.r.value(scaled.most_r()), 1);
  EXPECT_EQ(scaled.r.value(scaled.least_r()), -0.5);
}

class BuiltinProfileOfCircuits : public ::testing::TestWithParam<const char*> {};

TEST_P(BuiltinProfileOfCircuits, CostsTheAreaOfTheUnit) {
  const Profile profile = load_profile(GetParam());
  ASSERT_TRUE(profile.of_circuits());
  EXPECT_EQ(profile.name, GetParam());
  EXPECT_EQ(profile.unit, "LUT4");
  const SiteMapping site = site_with_r();
  const SiteCost cost(profile, site);
  const Expression f = Expression::parse("x*exp2(-1.4*r)");
  const double expected = area(Circuit(f, ports_at_site(site), 0.5, false), profile);
  EXPECT_EQ(cost(f), expected);
  EXPECT_GT(expected, 100);
  EXPECT_LT(expected, 2000);
}

TEST_P(BuiltinProfileOfCircuits, RisesWithTheDigitsOfConstantsAndWithWhatIsDearInCircuits) {
  const SiteCost cost(load_profile(GetParam()), site_with_r());
  const auto of = [&](const char* text) { return cost(Expression::parse(text)); };
  EXPECT_LT(of("0.75*x"), of("0.7071*x"));
  EXPECT_LT(of("x*(1-0.5*r)"), of("x*exp2(-r)"));
  EXPECT_LT(of("x*exp2(-r)"), of("x/(r+2)"));
}

INSTANTIATE_TEST_SUITE_P(Targets, BuiltinProfileOfCircuits, ::testing::Values("ice40", "ecp5"));

TEST(SiteCost, CountsMultipliersWhereAChipHasThem) {
  const auto price = [](const char* profile, CircuitPart part) {
    return (*load_profile(profile).parts)[static_cast<size_t>(part)];
  };
  EXPECT_GT(price("ecp5", CircuitPart::kMultiplier), 50);
  EXPECT_LT(price("ecp5", CircuitPart::kProduct), 0.5 * price("ice40", CircuitPart::kProduct));
}

TEST(SiteCost, OfWhatCannotBeMadeACircuitIsInfinite) {
  const SiteCost cost(load_profile("ice40"), site_with_r());
  EXPECT_TRUE(std::isinf(cost(Expression::parse("x*log2(r)"))));
}

TEST(SiteCost, UnderAProfileOfOperationsIsThatOfAnElement) {
  const SiteCost cost(flops_profile(), site_with_r());
  const Expression f = Expression::parse("x*exp2(-1.4*r)");
  EXPECT_EQ(cost(f), cost_per_element(f, flops_profile(), 192));
}

}  // namespace
}  // namespace normgraft
