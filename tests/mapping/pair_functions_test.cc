#include <gtest/gtest.h>

#include <cmath>

#include "normgraft/mapping/accumulator.h"
#include "normgraft/mapping/mapping.h"

namespace normgraft {
namespace {

constexpr Carried kChannel{.channel = true, .low = -2, .high = 2};

TEST(PairFunctions, BecomeXTimesAFunctionOfRWhereAChannelTellsTheSpread) {
  EXPECT_EQ(at_site(Expression::parse("1.5-0.4*x"), kChannel), Expression::parse("x*(1.5-0.4*r)"));
  EXPECT_EQ(at_site(Expression::parse("2"), kChannel), Expression::parse("x*2"));
  for (const char* text : {"x", "exp(-x)", "clip(1-x, 0.2, 3)", "1.2-x+0.4*square(x)", "rsqrt(x*x+0.5)"}) {
    const Expression g = Expression::parse(text);
    const Expression f = at_site(g, kChannel);
    EXPECT_FALSE(g.reads(Op::kR));
    EXPECT_TRUE(f.reads(Op::kR)) << text;
    for (const double r : {-1.5, -0.2, 0.0, 0.7, 1.9}) {
      for (const double x : {-20.0, -1.0, 0.3, 4.0}) {
        EXPECT_NEAR(f(x, r), x * g(r), 1e-9 * std::abs(x * g(r))) << text << " " << x << " " << r;
      }
    }
  }
}

TEST(PairFunctions, ComeBackFromFunctionsAtTheSite) {
  for (const char* text :
       {"x", "3", "exp(-x)", "clip(1-x, 0.2, 3)", "1.2-x+0.4*square(x)", "rsqrt(x*x+0.5)"}) {
    const Expression g = Expression::parse(text), back = of_pairs(at_site(g, kChannel), kChannel);
    EXPECT_EQ(back, simplify(g)) << text << " became " << back.to_string();
    EXPECT_FALSE(back.reads(Op::kR)) << text;
  }
}

TEST(PairFunctions, OfAFunctionThatIsNoProductAreItsValuesAtX1) {
  const Expression f = Expression::parse("tanh(x)*r + x"), g = of_pairs(f, kChannel);
  for (const double r : {-1.0, 0.0, 2.5}) EXPECT_NEAR(g(r), std::tanh(1.0) * r + 1, 1e-6);
}

TEST(PairFunctions, StayAsTheyAreWhereNoChannelTells) {
  const Expression f = Expression::parse("1.5*tanh(x)+0.2");
  for (const Carried& carried : {Carried{}, Carried{.blind = true, .ratio = 20}}) {
    EXPECT_EQ(at_site(f, carried), f);
    EXPECT_EQ(of_pairs(f, carried), f);
  }
}

TEST(PairsOfASite, AreOneForEachTokenWhereAChannelTellsTheSpread) {
  SiteMapping site;
  site.tokens = 7;
  site.channels = 30;
  EXPECT_EQ(site.pairs(), 210);
  site.carried = kChannel;
  EXPECT_EQ(site.pairs(), 7);
}

}  // namespace
}  // namespace normgraft
