#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <vector>

#include "bars.h"
#include "html.h"
#include "sections.h"

namespace normgraft {
namespace {

constexpr double kSame = 1e-3;  ///< a relative difference below which two costs are said to be the same

/// One figure of the norm sites, drawn as bars.
struct Panel {
  std::string title;
  double RooflineCost::*figure;
  double unit = 1;
  std::string sentence;  ///< what it means
};

/// A way in which the norm sites are computed.
struct Way {
  const char* name;
  const char* css;
  const RooflineCost& cost;
};

std::array<Way, 3> ways_of(const AcceleratorCost& cost) {
  return {{{"LayerNorm, unfused", "other", at(cost.layernorm.norms, Fusion::kUnfused)},
           {"LayerNorm, fused", "best", at(cost.layernorm.norms, Fusion::kFused)},
           {"graft, fused", "chosen", at(cost.graft.norms, Fusion::kFused)}}};
}

std::string draw(const Panel& panel, std::span<const Way> ways) {
  std::vector<Bar> bars;
  for (const Way& way : ways) bars.push_back({way.name, way.css, way.cost.*panel.figure / panel.unit});
  return draw_bars(panel.title, bars);
}

/// What share of LayerNorm's a figure of the graft is.
std::string compared(double layernorm, double graft) {
  if (std::abs(graft - layernorm) <= kSame * std::abs(layernorm)) return "the same as LayerNorm's";
  return layernorm > 0 ? format_percent(graft / layernorm) + " % of LayerNorm's" : "more than LayerNorm's";
}

std::vector<Panel> panels_of(const AcceleratorCost& cost) {
  const RooflineCost& norm = at(cost.layernorm.norms, Fusion::kFused);
  const RooflineCost& graft = at(cost.graft.norms, Fusion::kFused);
  const auto fused = [&](double RooflineCost::*figure) { return compared(norm.*figure, graft.*figure); };
  const RooflineCost& with_norms = at(cost.layernorm.network, Fusion::kFused);
  const RooflineCost& with_functions = at(cost.graft.network, Fusion::kFused);
  const double telling =
      at(cost.graft.products, Fusion::kFused).seconds - at(cost.layernorm.products, Fusion::kFused).seconds;
  const auto share = [](double part, double whole) { return whole > 0 ? format_percent(part / whole) : "0"; };
  return {
      {"Off-chip traffic, MB", &RooflineCost::bytes, 1e6,
       fmt::format("Fused with the addition before it, the graft's traffic is {}{}",
                   fused(&RooflineCost::bytes),
                   cost.token_fits ? ": a token fits the buffer, and nothing is read twice."
                                   : ", which reads each token twice, as it does not fit the buffer.")},
      {"On-chip buffer, bits", &RooflineCost::buffer_bits, 1,
       "LayerNorm holds a token until its mean and spread are known, x g(r) one number, f(x) none."},
      {"Clocks to the first output, all sites", &RooflineCost::first_output_clocks, 1,
       fmt::format(
           "A pass of its own waits for all tokens, LayerNorm for one token, a function for one element. "
           "The graft's wait is {}.",
           fused(&RooflineCost::first_output_clocks))},
      {"Energy, µJ", &RooflineCost::energy_pj, 1e6,
       fmt::format(
           "Most of it is traffic. The graft's is {}: {} % of the energy of the network, in place of {} %.",
           fused(&RooflineCost::energy_pj), share(graft.energy_pj, with_functions.energy_pj),
           share(norm.energy_pj, with_norms.energy_pj))},
      {"Time by the roofline, ms", &RooflineCost::seconds, 1e-3,
       fmt::format(
           "As long as the slowest of traffic, arithmetic and input. The norm sites take {} % of the time of "
           "the network as LayerNorm, {} % as functions. What tells r takes {} %.",
           share(norm.seconds, with_norms.seconds), share(graft.seconds, with_functions.seconds),
           share(telling, with_functions.seconds))}};
}

std::string description(const AcceleratorCost& cost) {
  const Accelerator& on = cost.accelerator;
  return fmt::format(
             "Counted, not measured, for one picture on <code>{}</code>: {}, a stream of {} bits, {} MB/s "
             "off-chip, ",
             escape_html(on.name), to_string(on.elements), on.stream_bits,
             format_short(on.offchip_bytes_per_second / 1e6)) +
         fmt::format("{} element{} a clock of {} MHz, a buffer of {} bits. ", on.lanes,
                     on.lanes == 1 ? "" : "s", format_short(on.clock_hz / 1e6),
                     format_count(on.buffer_bits)) +
         "<code>normgraft cost --accelerator</code> counts other targets and the whole network; "
         "docs/accelerator.md has the formulas.";
}

}  // namespace

std::string render_accelerator(const std::optional<AcceleratorCost>& cost) {
  if (!cost || std::find(cost->replaced.begin(), cost->replaced.end(), true) == cost->replaced.end())
    return {};
  const std::array<Way, 3> ways = ways_of(*cost);
  std::string panels;
  for (const Panel& panel : panels_of(*cost)) {
    panels += fmt::format("<figure><figcaption>{}</figcaption>{}<p class=\"note\">{}</p></figure>\n",
                          panel.title, draw(panel, ways), panel.sentence);
  }
  return fmt::format(
      "<section id=\"accelerator\"><h2>On an accelerator</h2>\n<p class=\"note\">{}</p>\n<div "
      "class=\"card\"><div class=\"panels three\">\n{}</div></div></section>\n",
      description(*cost), panels);
}

}  // namespace normgraft
