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

TEST(PairFunctions, AreAdmissibleWhereRIsHeldAndNotWherePairsWereSeen) {
  const Interval seen{-0.5, 0.5};
  EXPECT_EQ(why_not_admissible(Expression::parse("exp(-x)"), seen, kChannel), "");
  EXPECT_NE(why_not_admissible(Expression::parse("exp(-x)"), seen, {}), "")
      << "x goes on beyond what was seen";
  EXPECT_NE(why_not_admissible(Expression::parse("1/(x+1.9)"), seen, kChannel), "");
  EXPECT_EQ(why_not_admissible(Expression::parse("1/(x+2.1)"), seen, kChannel), "");
}

TEST(PredictedDivergence, IsHalfTheWeightedSquaredErrorOfAPicture) {
  // Three pictures of two pairs each to fit to, and one to choose by.
  SiteAccumulator accumulator("norm", 2, 1);
  double sum[2] = {0, 0};
  for (int picture = 0; picture < 4; ++picture) {
    const bool choose = picture == 3;
    const auto shift = static_cast<float>(picture);
    const std::vector<float> x = {-1 - shift, 2 + shift}, y = {0.5F, 3}, weight = {0.1F, 0.2F + shift};
    accumulator.add_picture(choose ? Fold::kChoose : fit_fold(picture), x, y, weight);
    for (size_t i = 0; i < 2; ++i) sum[choose] += 0.5 * weight[i] * std::pow(0.7 * x[i] - y[i], 2);
  }
  const SiteMapping site = accumulator.finish();
  const Expression f = Expression::parse("0.7*x");
  EXPECT_NEAR(predicted_divergence(f, site, Part::kFit), sum[0] / 3, 1e-5 * sum[0]);
  EXPECT_NEAR(predicted_divergence(f, site, Part::kChoose), sum[1], 1e-5 * sum[1]);
  EXPECT_NEAR(divergence_of_error(site, Part::kChoose), 0.5 * (0.1 + 3.2), 1e-6);
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
