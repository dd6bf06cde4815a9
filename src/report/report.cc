#include "normgraft/report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "html.h"
#include "sections.h"
#include "style.h"

namespace normgraft {
namespace {

std::string fact(const std::string& name, const std::string& value) {
  if (value.empty()) return {};
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", name, escape_html(value));
}

std::string tile(const std::string& value, const std::string& label) {
  return fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span></div>\n", value, label);
}

/// A field that capture was asked for, or that stands in run.json itself.
std::string asked_text(const Json& run, const std::string& key) {
  const std::string own = text_at(run, key);
  return own.empty() && run.is_object() && run.contains("capture") ? text_at(run["capture"], key) : own;
}

std::string chosen_by(const Plan& plan) {
  if (!plan.nearness) return plan.strategy;
  const Nearness& n = *plan.nearness;
  return fmt::format("{} of the best plan: {:.3g} to {:.3g}, {}", plan.strategy, n.loss, n.least_loss,
                     n.measured ? "measured before calibration" : "predicted");
}

std::string header(const ReportInput& input) {
  const EvolveOptions& options = input.fronts.options;
  std::string out = fmt::format(
      "<header><h1>{}</h1>\n<p class=\"soft\">LayerNorm replaced by evolved scalar functions"
      "</p>\n<dl class=\"facts\">\n",
      escape_html(input.mappings.model.empty() ? "normgraft" : input.mappings.model));
  out += fact("model", asked_text(input.run, "model")) + fact("data", asked_text(input.run, "data"));
  if (!input.mappings.sites.empty()) {
    const SiteMapping& first = input.mappings.sites.front();
    out += fact("pictures", format_count(first.pictures));
    out += fact("pairs a site", format_count(first.pictures * first.pairs()));
  }
  out += fact("search",
              fmt::format("{} seeds from {}, population {}, {} generations, {} functions", options.seeds,
                          options.seed, options.population, options.generations, options.function_set));
  if (input.plan) out += fact("chosen by", chosen_by(*input.plan));
  out += fact("normgraft", text_at(input.run, "normgraft"));
  return out + "</dl></header>\n";
}

std::string stage_times(const Json& run) {
  if (!run.is_object() || !run.contains("seconds") || !run["seconds"].is_object()) return {};
  std::string out;
  double total = 0;
  for (const auto& [stage, value] : run["seconds"].items()) {
    const auto seconds = number_at(run["seconds"], stage);
    if (!seconds || *seconds < 0) continue;
    total += *seconds;
    out += fact(escape_html(stage), format_seconds(*seconds));
  }
  if (out.empty()) return {};
  return "<dl class=\"facts\">\n" + out + fact("together", format_seconds(total)) + "</dl>\n";
}

/// Mean of a figure over the sites that have it.
template <typename Figure>
std::string mean_tile(const std::vector<SiteView>& views, const std::string& label, int digits,
                      const Figure& figure) {
  double sum = 0;
  int count = 0;
  for (const SiteView& view : views) {
    const double value = figure(view);
    if (!std::isfinite(value)) continue;
    sum += value;
    ++count;
  }
  return count == 0 ? std::string() : tile(format_fixed(sum / count, digits), label);
}

std::string tiles(const ReportInput& input, const std::vector<SiteView>& views) {
  std::string out = "<div class=\"tiles\">\n";
  if (input.accuracy.is_array()) {
    for (const Json& entry : input.accuracy) {
      const auto top1 = number_at(entry, "top1");
      if (top1 && !text_at(entry, "stage").empty()) {
        out += tile(format_percent(*top1) + " %", "top-1, " + escape_html(text_at(entry, "stage")));
      }
    }
  }
  const auto chosen =
      std::count_if(views.begin(), views.end(), [](const SiteView& v) { return v.chosen.has_value(); });
  out += tile(fmt::format("{} of {}", chosen, views.size()), "sites replaced");
  out += mean_tile(views, "mean R², chosen", 4, [](const SiteView& v) { return v.chosen_r2(); });
  out += mean_tile(views, "mean ceiling", 4, [](const SiteView& v) { return v.ceiling(); });
  out += mean_tile(views, "mean cost, " + escape_html(input.fronts.unit), 1,
                   [](const SiteView& v) { return v.chosen ? v.chosen->cost : std::nan(""); });
  return out + "</div>\n";
}

/// Everything that was asked of the stages, as it stands in run.json.
std::string what_was_asked(const Json& run) {
  if (!run.is_object()) return {};
  std::string rows;
  for (const auto& [stage, asked] : run.items()) {
    if (stage == "seconds") continue;
    const std::string text = asked.dump(-1, ' ', false, Json::error_handler_t::replace);
    rows +=
        fmt::format("<tr><td>{}</td><td><code>{}</code></td></tr>\n", escape_html(stage), escape_html(text));
  }
  if (rows.empty()) return {};
  return "<details><summary>All that was asked</summary><div class=\"scroll\"><table><tbody>\n" + rows +
         "</tbody></table></div></details>\n";
}

}  // namespace

std::string render_report(const ReportInput& input) {
  const std::vector<SiteView> views = site_views(input);
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n<meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\"/>\n<title>normgraft: "
      "{}</title>\n<style>{}</style></head>\n<body><main>\n",
      escape_html(input.mappings.model), page_style());
  out += header(input) + stage_times(input.run) + what_was_asked(input.run) + tiles(input, views);
  out += render_accuracy(input.accuracy);
  out += render_accelerator(input.on_accelerator);
  out += render_area(views);
  out += render_choice(input.choice);
  out += render_training(input.epochs);
  out += render_overview(input, views);
  if (!views.empty()) out += "<section><h2>Site by site</h2>\n</section>\n";
  for (const SiteView& view : views) out += render_site(input, view);
  return out + "</main></body></html>\n";
}

}  // namespace normgraft
