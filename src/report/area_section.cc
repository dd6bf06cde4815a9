#include <fmt/format.h>

#include <array>
#include <cmath>

#include "area.h"
#include "bars.h"
#include "html.h"
#include "sections.h"

namespace normgraft {
namespace {

/// Sums over the sites that can be compared, and how many cannot.
struct Total {
  double layernorm = 0, graft = 0;
  double layernorm_ram = 0, graft_ram = 0;  ///< bits
  size_t functions = 0, kept = 0, without_circuit = 0, of_factor = 0;
};

Total total_of(const std::vector<SiteView>& views) {
  Total total;
  for (const SiteView& view : views) {
    if (view.chosen && !view.area.function) {
      ++total.without_circuit;
      continue;
    }
    total.layernorm += view.area.layernorm.logic;
    total.layernorm_ram += view.area.layernorm.ram_bits;
    if (view.chosen) {
      ++total.functions;
      total.graft += *view.area.function;
      total.of_factor += view.is_factor_of_r() ? 1 : 0;
    } else {
      ++total.kept;
      total.graft += view.area.layernorm.logic;
      total.graft_ram += view.area.layernorm.ram_bits;
    }
  }
  return total;
}

std::string sites(size_t count) {
  return fmt::format("{} site{}", count, count == 1 ? "" : "s");
}

std::string drawing(const Total& total) {
  const std::array<Bar, 2> bars = {{{"LayerNorm units", "best", std::round(total.layernorm)},
                                    {"the graft's units", "chosen", std::round(total.graft)}}};
  return draw_bars("Area of all norm sites, " + area_unit(), bars);
}

std::string sentences(const Total& total) {
  std::string out;
  if (total.functions > 0) {
    out += fmt::format(
        "The graft's units take {} % of what LayerNorm units take. Block RAM comes on top: LayerNorm units "
        "hold tokens in {} bits, the graft's in {}. ",
        format_percent(total.graft / total.layernorm), shown_area(total.layernorm_ram),
        shown_area(total.graft_ram));
  }
  if (total.kept > 0) {
    out += fmt::format("LayerNorm stays at {}, and counts so in both bars. ", sites(total.kept));
  }
  if (total.without_circuit > 0) {
    out += fmt::format("The functions at {} cannot be made circuits{}. ", sites(total.without_circuit),
                       total.functions > 0 ? ", and count in neither bar" : "");
  }
  if (total.of_factor > 0)
    out += fmt::format("At {} the function is x g(r): {}", sites(total.of_factor), kUnitWithTable);
  return out;
}

}  // namespace

std::string render_area(const std::vector<SiteView>& views) {
  const Total total = total_of(views);
  if (total.functions + total.without_circuit == 0) return {};
  return fmt::format(
      "<section id=\"area\"><h2>On a chip</h2>\n<p class=\"note\">Expected, not synthesised: what the units "
      "of "
      "the norm sites take of an iCE40, by the built-in profile <code>ice40</code> (docs/circuits.md). Each "
      "site "
      "has a unit of its own. The LayerNorm unit is that of docs/hardware.md.</p>\n<div "
      "class=\"card\"><figure>"
      "<figcaption>Area of all norm sites, {}</figcaption>{}<p "
      "class=\"note\">{}</p></figure></div></section>\n",
      area_unit(), total.functions > 0 ? drawing(total) : "", sentences(total));
}

std::string render_site_area(const SiteView& view) {
  if (!view.chosen) return {};
  const double layernorm = view.area.layernorm.logic;
  if (!view.area.function) {
    return fmt::format(
        "<p class=\"note\">This function cannot be made a circuit. A LayerNorm unit takes {} {}.</p>\n",
        shown_area(layernorm), area_unit());
  }
  const std::array<Bar, 2> bars = {{{"LayerNorm", "best", std::round(layernorm)},
                                    {"this function", "chosen", std::round(*view.area.function)}}};
  return fmt::format(
      "<figure><figcaption>Area of its unit, {}</figcaption>{}<p class=\"note\">Expected: {} % of a "
      "LayerNorm "
      "unit. {}</p></figure>\n",
      area_unit(), draw_bars("Area of the unit of " + view.mapping->name + ", " + area_unit(), bars),
      format_percent(*view.area.function / layernorm), view.is_factor_of_r() ? kUnitWithTable : "");
}

}  // namespace normgraft
