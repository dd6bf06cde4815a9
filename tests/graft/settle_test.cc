#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "normgraft/graft/graft.h"
#include "support/small_model.h"

namespace normgraft {
namespace {

TEST(SettledConstants, LieOnTheGrid) {
  Graft graft(testing::small_vit());
  FunctionFile file;
  for (const Site& site : graft.network().sites()) {
    file.functions.emplace(site.name, Expression::parse("clip(0.5*x + 0.25, -2, 2)"));
    file.seen.emplace(site.name, Interval{-4, 4});
  }
  file.grid = {.digits = 0, .fraction_bits = 5};
  graft.set_functions(file);
  graft.constants(0).fill_(0.3F);  // the bounds of the clip become one
  EXPECT_TRUE(graft.settle_constants().empty());
  for (const float c : graft.functions().begin()->second.constants()) EXPECT_EQ(c, 10.0F / 32);
  file.grid = {.signed_digits = 1};
  graft.set_functions(file);
  graft.constants(0).fill_(0.3F);
  EXPECT_TRUE(graft.settle_constants().empty());
  for (const float c : graft.functions().begin()->second.constants()) EXPECT_EQ(c, 0.25F);
}

TEST(SettledConstants, GoBackWhereNoProofHoldsForThem) {
  Graft graft(testing::small_vit());
  FunctionFile file;
  for (const Site& site : graft.network().sites()) {
    file.functions.emplace(site.name, Expression::parse("x/(1.5 + abs(x))"));
    file.seen.emplace(site.name, Interval{-4, 4});
  }
  graft.set_functions(file);
  const std::string site = graft.network().sites()[1].name;
  graft.constants(1).fill_(-0.5F);  // a pole at +-0.5
  EXPECT_EQ(graft.settle_constants(), std::vector<std::string>{site});
  EXPECT_EQ(graft.functions().at(site), file.functions.at(site));
}

}  // namespace
}  // namespace normgraft
