#include "style.h"

namespace normgraft {

std::string_view page_style() {
  return R"css(
:root {
  color-scheme: light dark;
  --page: #f6f7f8; --card: #ffffff; --ink: #1b2128; --soft: #5c6672; --rule: #dfe3e7; --grid: #edf0f2;
  --chosen: #d9480f; --ceiling: #2b8a3e; --best: #3b5bdb; --mapping: #46525f; --band: #c9d3dd; --mass: #a9b6c3;
  --b0: #8a6d3b; --b1: #9775fa; --b2: #3b5bdb; --b3: #0b9f76; --b4: #1098ad; --b5: #b44bd0; --b6: #e0447c; --b7: #c58a00;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #14171b; --card: #1c2026; --ink: #e6e9ed; --soft: #98a3af; --rule: #323941; --grid: #272d34;
    --chosen: #ff8a3d; --ceiling: #69cf7f; --best: #8fa8ff; --mapping: #c3ccd6; --band: #3a4754; --mass: #55636f;
    --b0: #cfa765; --b1: #b8a2ff; --b2: #8fa8ff; --b3: #4fd3a8; --b4: #58c9dc; --b5: #dc8cf2; --b6: #ff8db4; --b7: #f2bf4a;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1280px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 27px; line-height: 1.2; margin: 0 0 2px; letter-spacing: -0.01em; }
h2 { font-size: 20px; margin: 40px 0 10px; }
h3 { font-size: 16px; margin: 0; font-family: ui-monospace, "Cascadia Mono", Menlo, "DejaVu Sans Mono", monospace; }
p { margin: 6px 0; }
a { color: inherit; text-decoration-color: var(--soft); text-underline-offset: 3px; }
.soft { color: var(--soft); }
.note { color: var(--soft); font-size: 13.5px; max-width: 860px; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 16px 18px; margin: 14px 0; }
code, .mono { font: 12.5px/1.45 ui-monospace, "Cascadia Mono", Menlo, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(128px, 1fr)); gap: 12px; margin: 18px 0 6px; }
.tile { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 10px 14px; }
.tile b { display: block; font-size: 20px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13px; }
dl.facts { display: flex; flex-wrap: wrap; gap: 4px 26px; margin: 10px 0 0; font-size: 14px; }
dl.facts div { display: flex; gap: 7px; }
dl.facts dt { color: var(--soft); }
dl.facts dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--soft); font-weight: 600; font-size: 12.5px; vertical-align: bottom; }
th, td { padding: 5px 10px 5px 0; border-bottom: 1px solid var(--rule); }
td { vertical-align: top; }
tbody tr:last-child td { border-bottom: 0; }
.n { text-align: right; white-space: nowrap; }
td.site, td.stage, td.form { white-space: nowrap; }
td.form { color: var(--soft); padding-left: 0; }
th.function, td.function { padding-left: 14px; min-width: 200px; }
table.conditions td.n { width: 9.8%; }
tr.mean td { font-weight: 650; border-top: 2px solid var(--rule); }
tr.pick td { color: var(--chosen); }
td small { color: var(--soft); font-size: 12px; }
.expression { display: block; margin: 8px 0 2px; padding: 7px 11px; border-left: 3px solid var(--chosen); background: var(--page); border-radius: 0 6px 6px 0; }
.head { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 18px; }
.head .soft { font-size: 13.5px; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(430px, 1fr)); gap: 14px; margin-top: 10px; }
.three { grid-template-columns: repeat(auto-fit, minmax(330px, 1fr)); }
figure { margin: 0; }
.stack figure + figure { margin-top: 16px; }
figcaption { font-size: 13px; color: var(--soft); margin-bottom: 2px; }
details { margin-top: 8px; font-size: 13.5px; }
summary { cursor: pointer; color: var(--soft); }
.legend { display: flex; flex-wrap: wrap; gap: 3px 16px; margin: 8px 0 0; font-size: 12.5px; color: var(--soft); }
.legend span { display: inline-flex; align-items: center; gap: 6px; }
.wide svg.chart { min-width: 760px; }
svg.chart { display: block; width: 100%; height: auto; }
svg text { font-family: system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; font-size: 10.5px; fill: var(--soft); font-variant-numeric: tabular-nums; }
svg .axis { font-size: 11px; }
svg .name { font-size: 10px; fill: var(--c, var(--soft)); }
svg .value { font-size: 12px; fill: var(--ink); }
svg .name, svg .value { paint-order: stroke; stroke: var(--card); stroke-width: 2.5px; stroke-linejoin: round; }
svg .stage { font-size: 12.5px; fill: var(--ink); }
svg .title { font-size: 12px; font-weight: 600; }
svg .grid { stroke: var(--grid); stroke-width: 1; }
svg .frame { fill: none; stroke: var(--rule); stroke-width: 1; }
svg .line { fill: none; stroke: var(--c, var(--soft)); stroke-width: 1.2; stroke-linejoin: round; stroke-linecap: round; }
svg .thick { stroke-width: 2.6; }
svg .medium { stroke-width: 1.8; }
svg .dash { stroke-dasharray: 5 4; }
svg .area { fill: var(--c); stroke: none; }
svg .dot { fill: var(--c); stroke: var(--card); stroke-width: 1; }
svg .ring { fill: var(--card); stroke: var(--c); stroke-width: 1.6; }
svg .mass { opacity: 0.55; }
svg .speck { fill: var(--c); opacity: 0.35; }
svg .axisline { stroke: var(--rule); stroke-width: 1; }
svg .bar { opacity: 0.75; }
svg .interval { opacity: 0.2; }
svg .strong { font-weight: 700; }
svg .whisker { stroke: var(--ink); stroke-width: 1.2; fill: none; }
.chosen { --c: var(--chosen); } .ceiling { --c: var(--ceiling); } .best { --c: var(--best); } .mapping { --c: var(--mapping); }
.spread { --c: var(--band); } .mass { --c: var(--mass); } .other { --c: var(--soft); }
.b0 { --c: var(--b0); } .b1 { --c: var(--b1); } .b2 { --c: var(--b2); } .b3 { --c: var(--b3); }
.b4 { --c: var(--b4); } .b5 { --c: var(--b5); } .b6 { --c: var(--b6); } .b7 { --c: var(--b7); }
@page { margin: 12mm; }
@media print {
  body { background: #fff; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  main { max-width: none; padding: 0; zoom: 0.62; }
  .scroll { overflow: visible; }
  .card, figure, tr { break-inside: avoid; }
  .panels { grid-template-columns: repeat(2, 1fr); }
  .three { grid-template-columns: repeat(3, 1fr); }
  .wide svg.chart { min-width: 0; }
  h2 { break-after: avoid; }
  details { display: none; }
}
)css";
}

}  // namespace normgraft
