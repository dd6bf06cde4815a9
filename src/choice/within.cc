#include "normgraft/choice/within.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "normgraft/core/require.h"
#include "normgraft/evolve/plan_curve.h"
#include "normgraft/graft/graft.h"
#include "normgraft/graft/yardstick.h"

namespace normgraft {
namespace {

constexpr int kTrials = 6;  ///< plans that are measured beside the best
constexpr double kStandardErrors = 2;
constexpr double kAim = 0.8;         ///< share of the distance that a next plan is to lose
constexpr double kLeastStep = 1e-3;  ///< factors between predicted losses of plans that are tried in turn
constexpr double kLargestStep = 0.5;

/// Measures grafts of plans that are not calibrated.
class Scale {
 public:
  Scale(Network network, const Yardstick& yardstick, Monitor& monitor)
      : graft_(std::move(network)), yardstick_(yardstick), monitor_(monitor) {}

  /// The divergence of each picture's answer, F64 [B].
  Tensor operator()(const Plan& plan) {
    monitor_.check();
    for (const PlanEntry& entry : plan.entries) graft_.set_function(entry.site, entry.expression);
    const Tensor kl = divergence(yardstick_.teacher_logits(), yardstick_.logits(graft_.network()));
    monitor_.progress("select", ++measured_, kTrials + 1, "plans at most",
                      fmt::format("divergence {:.4f}", mean(kl)));
    return kl;
  }

  static double mean(const Tensor& kl) { return kl.mean().item<double>(); }

 private:
  Graft graft_;
  const Yardstick& yardstick_;
  Monitor& monitor_;
  int64_t measured_ = 0;
};

/// What a plan loses more than the best, as far as other pictures may tell: the mean over these and
/// kStandardErrors of it.
double excess(const Tensor& kl, const Tensor& least) {
  const Tensor more = kl - least;
  const auto pictures = static_cast<double>(more.numel());
  const double error = pictures > 1 ? more.std().item<double>() / std::sqrt(pictures) : 0;
  return more.mean().item<double>() + kStandardErrors * error;
}

void check(double within) {
  require_within("select", "within", within, 0.0, 1e6);
}

}  // namespace

Plan choose_within(const Fronts& fronts, const Mappings& mappings, Network network,
                   const Yardstick& yardstick, double within, Monitor& monitor) {
  check(within);
  const at::NoGradGuard no_grad;
  const PlanCurve curve(fronts, mappings);
  Scale scale(std::move(network), yardstick, monitor);
  Plan kept = curve.within(0);
  const Tensor least = scale(kept);
  Tensor loss = least;
  double near = 0, far = 0, far_cost = -1;  // along the curve: what is kept, the nearest that is refused
  double next = within;
  for (int trial = 0; trial < kTrials; ++trial) {
    Plan plan = curve.within(next);
    const double cost = plan.nearness->cost;
    if (cost == kept.nearness->cost) break;
    const Tensor kl = cost == far_cost ? Tensor() : scale(plan);
    const double more = kl.defined() ? excess(kl, least) : std::numeric_limits<double>::infinity();
    if (more <= within) {
      kept = std::move(plan);
      loss = kl;
      near = next;
      if (far == 0) break;
    } else {
      far = next;
      far_cost = cost;
    }
    // Losses grow as they are predicted to, but for a factor.
    next =
        near > 0 ? std::sqrt(near * far) : far * std::clamp(kAim * within / more, kLeastStep, kLargestStep);
  }
  kept.strategy = fmt::format("within {:g} nats", within);
  kept.nearness = Nearness{.within = within,
                           .unit = "nats",
                           .measured = true,
                           .loss = Scale::mean(loss),
                           .least_loss = Scale::mean(least),
                           .cost = kept.nearness->cost,
                           .cost_of_least_loss = kept.nearness->cost_of_least_loss,
                           .cost_unit = kept.nearness->cost_unit};
  return kept;
}

Plan predict_within(const Fronts& fronts, const Mappings& mappings, double within) {
  check(within);
  return PlanCurve(fronts, mappings).within(within);
}

}  // namespace normgraft
