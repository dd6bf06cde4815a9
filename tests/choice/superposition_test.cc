#include "superposition.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>

#include "normgraft/core/random.h"
#include "normgraft/graft/yardstick.h"

namespace normgraft {
namespace {

/// Random losses over sites of three options each, the bend that of random vectors; costs 0, 1, 2.
struct Instance {
  Instance(size_t sites, uint64_t seed) {
    Random random({seed});
    const auto rows = static_cast<int64_t>(3 * sites);
    Tensor vectors = at::empty({rows, 6}, at::kDouble);
    for (int64_t i = 0; i < vectors.numel(); ++i) vectors.data_ptr<double>()[i] = random.normal();
    const Tensor bend = vectors.matmul(vectors.t()).contiguous();
    loss.bend.assign(bend.data_ptr<double>(), bend.data_ptr<double>() + bend.numel());
    for (size_t s = 0; s < sites; ++s) {
      loss.rows.push_back({3 * s, 3 * s + 1, 3 * s + 2});
      costs.push_back({0, 1, 2});
      for (int option = 0; option < 3; ++option) loss.slope.push_back(random.normal());
    }
  }

  double cost(const Indices& plan) const {
    double cost = 0;
    for (size_t s = 0; s < plan.size(); ++s) cost += costs[s][plan[s]];
    return cost;
  }

  void for_each_plan(const std::function<void(const Indices&)>& visit) const {
    Indices plan(costs.size(), 0);
    for (bool more = true; more;) {
      visit(plan);
      more = false;
      for (size_t s = 0; s < plan.size() && !more; ++s) {
        plan[s] = (plan[s] + 1) % 3;
        more = plan[s] != 0;
      }
    }
  }

  PlanLoss loss;
  std::vector<std::vector<double>> costs;
};

size_t difference(const Indices& a, const Indices& b) {
  size_t count = 0;
  for (size_t s = 0; s < a.size(); ++s) count += a[s] != b[s];
  return count;
}

TEST(Descend, EndsWhereNoExchangeAtOneOrTwoSitesWithinBudgetAndReachGains) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Instance at(5, seed);
    const Indices start = {0, 1, 0, 1, 0};
    const double budget = 4;
    const size_t reach = 3;
    const Indices found = descend(at.loss, at.costs, start, budget, reach);
    EXPECT_LE(at.cost(found), budget);
    EXPECT_LE(difference(found, start), reach);
    at.for_each_plan([&](const Indices& plan) {
      if (at.cost(plan) > budget || difference(plan, start) > reach || difference(plan, found) > 2) return;
      EXPECT_GE(at.loss.of(plan), at.loss.of(found) - 1e-8) << seed;
    });
  }
}

TEST(Descend, FindsTheBestOfTwoSites) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Instance at(2, seed);
    const Indices found = descend(at.loss, at.costs, {0, 0}, 3, 2);
    at.for_each_plan([&](const Indices& plan) {
      if (at.cost(plan) <= 3) {
        EXPECT_GE(at.loss.of(plan), at.loss.of(found) - 1e-8) << seed;
      }
    });
  }
}

TEST(Descend, ChoosesKnownOptionsOnly) {
  Instance at(3, 1);
  for (auto& rows : at.loss.rows) rows[2] = std::nullopt;
  for (const size_t option : descend(at.loss, at.costs, {0, 0, 0}, 100, 3)) EXPECT_LT(option, 2U);
}

/// Two sites of three options, which add to the logits what `shift` says.
class SuperpositionTest : public ::testing::Test {
 protected:
  Tensor shift(size_t site, size_t option) const {
    return 0.05 * shifts_[static_cast<int64_t>(3 * site + option)];
  }
  Tensor logits(const Indices& plan) const { return base_ + shift(0, plan[0]) + shift(1, plan[1]); }
  double kl(const Tensor& logits) const { return divergence(teacher_, logits).mean().item<double>(); }

  Superposition about(const Indices& base) const {
    Superposition near(teacher_, logits(base), base, {3, 3});
    for (size_t option = 0; option < 3; ++option) {
      if (option != base[0]) near.add(0, option, logits({option, base[1]}));
      if (option != base[1]) near.add(1, option, logits({base[0], option}));
    }
    return near;
  }

  void SetUp() override {
    at::manual_seed(7);
    const auto doubles = at::TensorOptions(at::kDouble);
    teacher_ = at::randn({8, 5}, doubles);
    base_ = teacher_ + 0.3 * at::randn({8, 5}, doubles);
    shifts_ = at::randn({6, 8, 5}, doubles);
  }

  Tensor teacher_, base_, shifts_;
};

TEST_F(SuperpositionTest, PredictsWhatPlansMeasureWhereLogitsAddUp) {
  const Superposition near = about({0, 1});
  const PlanLoss loss = near.loss();
  EXPECT_NEAR(loss.of({0, 1}), 0, 1e-12);
  for (const Indices& plan : {Indices{1, 1}, Indices{0, 2}, Indices{2, 0}, Indices{1, 2}}) {
    const double wanted = kl(logits(plan)) - kl(logits({0, 1}));
    EXPECT_NEAR(loss.of(plan), wanted, 0.02 * std::abs(wanted) + 2e-4) << plan[0] << ' ' << plan[1];
  }
}

TEST_F(SuperpositionTest, IsTheSameAboutAnotherBaseWhereLogitsAddUp) {
  Superposition near = about({0, 1});
  near.move({2, 0}, logits({2, 0}));
  const PlanLoss moved = near.loss(), fresh = about({2, 0}).loss();
  for (const Indices& plan : {Indices{0, 1}, Indices{2, 1}, Indices{1, 2}, Indices{2, 0}}) {
    EXPECT_NEAR(moved.of(plan), fresh.of(plan), 1e-12) << plan[0] << ' ' << plan[1];
  }
}

TEST_F(SuperpositionTest, PromisesWhatItLearnt) {
  Superposition near = about({0, 1});
  const Tensor found = logits({2, 0}) + 0.05 * at::randn({8, 5}, at::kDouble);
  near.learn({2, 0}, found);
  const double wanted = kl(found) - kl(logits({0, 1}));
  EXPECT_NEAR(near.loss().of({2, 0}), wanted, 0.02 * std::abs(wanted) + 2e-4);
}

}  // namespace
}  // namespace normgraft
