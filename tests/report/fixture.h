#pragma once

#include <cmath>
#include <string>

#include "normgraft/core/random.h"
#include "normgraft/report/report.h"

namespace normgraft {

/// A mapping of pairs y = tanh(x) + noise in 64 bins over [-4, 4], of which the two outermost on each side
/// stay empty.
inline SiteMapping small_mapping(const std::string& name) {
  SiteMapping mapping;
  mapping.name = name;
  mapping.pictures = 10;
  mapping.tokens = 20;
  mapping.channels = 10;
  constexpr int kBins = 64;
  for (int i = 0; i <= kBins; ++i) mapping.edges.push_back(-4 + 8.0 * i / kBins);
  for (auto& measure : mapping.bins) {
    for (auto& fold : measure) fold.resize(kBins);
  }
  Random random({7});
  for (int i = 0; i < 2000; ++i) {
    const double x = std::clamp(random.normal(), -3.7, 3.7);
    const Moments pair{1, x, std::tanh(x) + 0.1 * random.normal(), 0, 0, 0, 1};
    const auto bin = static_cast<size_t>((x + 4) / 8 * kBins);
    for (auto& measure : mapping.bins) measure[static_cast<size_t>(i % kFolds)][bin].merge(pair);
  }
  return mapping;
}

inline FrontPoint small_point(const std::string& expression, double cost, double r2) {
  return {Expression::parse(expression), cost, 1 - r2, r2, r2 - 0.001, r2 - 0.05, 0};
}

inline SiteFront small_front(const std::string& name) {
  SiteFront front;
  front.site = name;
  front.seen = {-4, 4};
  front.ceiling = 0.96;
  front.held_out_ceiling = 0.95;
  front.plain_ceiling = 0.91234;
  front.effective_pairs = 12345;
  front.front = {small_point("0.7*x", 1, 0.80), small_point("clip(0.8*x, -1, 1)", 1.5, 0.92),
                 small_point("tanh(1.01*x)", 24, 0.949)};
  front.seeds = {front.front};
  front.baselines = {{"line", small_point("0.7*x+0.01", 2, 0.80)},
                     {"tanh", small_point("tanh(0.9*x)", 24, 0.90)},
                     {"scaled-tanh", small_point("0.99*tanh(0.98*x+0.01)+0.02", 27, 0.93)}};
  return front;
}

/// Two sites with fronts and a plan, three judged stages and two epochs.
inline ReportInput small_input() {
  ReportInput input;
  input.run = Json::parse(
      R"({"version": 1, "capture": {"model": "/models/small", "data": "/pictures", "pictures": 10},
                              "seconds": {"capture": 12.34, "evolve": 187}})");
  input.mappings.model = "vit_small_test";
  input.fronts.unit = "FLOPs";
  input.plan = Plan{"knee", {}};
  for (const std::string name : {"blocks.0.norm1", "norm"}) {
    input.mappings.sites.push_back(small_mapping(name));
    input.fronts.sites.push_back(small_front(name));
    const FrontPoint& point = input.fronts.sites.back().front[1];
    input.plan->entries.push_back(
        {name, point.expression, point.cost, point.r2, point.held_out_r2, "The knee."});
  }
  input.accuracy = Json::parse(R"([
      {"stage": "teacher", "data": "/val", "top1": 0.7213, "top1_interval": [0.69, 0.75], "top5": 0.91, "images": 1000},
      {"stage": "grafted", "data": "/val", "top1": 0.4, "top1_interval": [0.37, 0.43], "top5": 0.6, "agreement": 0.45,
       "agreement_interval": [0.42, 0.48], "kl": 1.7321, "kl_interval": [1.6, 1.9], "images": 1000},
      {"stage": "realigned", "data": "/val", "top1": 0.65, "agreement": 0.8, "kl": 0.31, "images": 1000}])");
  input.epochs = {Json{{"epoch", 1}, {"loss", 1.5}, {"held_out_loss", 1.2}, {"held_out_top1", 0.5}},
                  Json{{"epoch", 2}, {"loss", 1.1}, {"held_out_loss", 1.0}, {"held_out_top1", 0.6}}};
  return input;
}

/// A plan at 1.2 million FLOPs of a budget of 1.5, on a curve of five plans, and nine sites of which site i
/// loses i hundredths of a nat with its most accurate function.
inline Json small_choice() {
  Json choice =
      Json::parse(R"({"version": 1, "profile": "flops", "unit": "FLOPs", "budget": 1.5e6, "pictures": 256,
      "plan": {"cost": 1.2e6, "predicted": 0.2, "measured": 0.21},
      "knee": {"cost": 1.8e6, "predicted": 0.1, "measured": 0.11},
      "min_error": {"cost": 6e6, "predicted": 0.03, "measured": 0.04}, "rank_correlation": 0.943,
      "curve": [{"cost": 4e5, "predicted": 2.1, "measured": 1.4}, {"cost": 8e5, "predicted": 0.6, "measured": 0.5},
                {"cost": 1.2e6, "predicted": 0.2, "measured": 0.21}, {"cost": 1.8e6, "predicted": 0.1, "measured": 0.11},
                {"cost": 6e6, "predicted": 0.03, "measured": 0.04}],
      "keep": [{"site": "blocks.9.norm1", "measured": 0.145}, {"site": "blocks.8.norm1", "measured": 0.0925}]})");
  for (int i = 1; i <= 9; ++i) {
    const double loss = 0.01 * i;
    choice["sites"].push_back({{"name", "blocks." + std::to_string(i) + ".norm1"},
                               {"points",
                                {{{"cost", 1000}, {"predicted", 2.0}, {"measured", 1.0 / i}},
                                 {{"cost", 20000}, {"predicted", loss - 0.01}, {"measured", loss}}}}});
  }
  return choice;
}

}  // namespace normgraft
