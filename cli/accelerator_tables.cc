#include "accelerator_tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "tables.h"

namespace normgraft::cli {
namespace {

const char* words(Fusion fusion) {
  switch (fusion) {
    case Fusion::kUnfused:
      return "unfused";
    case Fusion::kFused:
      return "fused with the addition";
    case Fusion::kIntoLinear:
      break;
  }
  return "fused, y kept for the next Linear";
}

std::string fixed(double value, int digits) {
  return fmt::format("{:.{}f}", value, digits);
}

/// A row for each way, first of LayerNorm, then of the graft, if any site is replaced.
template <typename AddRow>
void for_each_way(const AcceleratorCost& cost, const AddRow& add_row) {
  const bool grafted = std::find(cost.replaced.begin(), cost.replaced.end(), true) != cost.replaced.end();
  for (const Named<Fusion>& fusion : kFusions) {
    add_row(fmt::format("LayerNorm, {}", words(fusion.value)), cost.layernorm, fusion.value);
  }
  if (!grafted) return;
  for (const Named<Fusion>& fusion : kFusions) {
    add_row(fmt::format("graft, {}", words(fusion.value)), cost.graft, fusion.value);
  }
}

std::string head_text(const AcceleratorCost& cost) {
  const Accelerator& on = cost.accelerator;
  std::string text = fmt::format("on {}: {}, a stream of {} bits; a token of {} bits {} the buffer of {}",
                                 on.name, to_string(on.elements), on.stream_bits, cost.token_bits,
                                 cost.token_fits ? "fits" : "does not fit", on.buffer_bits);
  if (cost.stream_fits) {
    text += fmt::format(
        "\nall tokens of a picture fit too ({} bits): where they stay there, no norm needs off-chip traffic",
        cost.stream_bits);
  }
  return text;
}

std::string norms_table(const AcceleratorCost& cost) {
  Table table({"norm sites, per picture", "Mops", "buffer bits", "MB off-chip", "clocks to first outputs",
               "uJ", "ms"});
  for_each_way(cost, [&](const std::string& name, const NetworkRoofline& roofline, Fusion fusion) {
    const RooflineCost& c = at(roofline.norms, fusion);
    table.add({name, fixed(c.ops / 1e6, 3), fixed(c.buffer_bits, 0), fixed(c.bytes / 1e6, 3),
               fixed(c.first_output_clocks, 0), fixed(c.energy_pj / 1e6, 2), fixed(c.seconds * 1e3, 3)});
  });
  return table.text();
}

std::string network_table(const AcceleratorCost& cost) {
  Table table({"whole network, per picture", "Mops", "MB off-chip", "uJ", "ms", "norms: % of MB", "% of uJ",
               "% of ms"});
  for_each_way(cost, [&](const std::string& name, const NetworkRoofline& roofline, Fusion fusion) {
    const RooflineCost &all = at(roofline.network, fusion), &norms = at(roofline.norms, fusion);
    const auto share = [](double part, double whole) { return fixed(100 * part / whole, 1); };
    table.add({name, fixed(all.ops / 1e6, 1), fixed(all.bytes / 1e6, 2), fixed(all.energy_pj / 1e6, 1),
               fixed(all.seconds * 1e3, 2), share(norms.bytes, all.bytes),
               share(norms.energy_pj, all.energy_pj), share(norms.seconds, all.seconds)});
  });
  return table.text();
}

std::string sites_table(const AcceleratorCost& cost) {
  Table table({"fused, LayerNorm / graft", "kops", "buffer bits", "kB off-chip", "clocks", "uJ", "us"});
  for (size_t i = 0; i < cost.sites.size(); ++i) {
    const RooflineCost &norm = at(cost.layernorm.sites[i], Fusion::kFused),
                       &graft = at(cost.graft.sites[i], Fusion::kFused);
    const auto both = [&](double RooflineCost::*figure, double unit, int digits) {
      return fixed(norm.*figure / unit, digits) +
             (cost.replaced[i] ? " / " + fixed(graft.*figure / unit, digits) : std::string());
    };
    table.add({cost.sites[i], both(&RooflineCost::ops, 1e3, 1), both(&RooflineCost::buffer_bits, 1, 0),
               both(&RooflineCost::bytes, 1e3, 1), both(&RooflineCost::first_output_clocks, 1, 0),
               both(&RooflineCost::energy_pj, 1e6, 3), both(&RooflineCost::seconds, 1e-6, 1)});
  }
  return table.text();
}

}  // namespace

std::string accelerator_text(const AcceleratorCost& cost) {
  return head_text(cost) + "\n\n" + norms_table(cost) + "\n\n" + network_table(cost) + "\n\n" +
         sites_table(cost);
}

}  // namespace normgraft::cli
