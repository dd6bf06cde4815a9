#include "tables.h"

#include <fmt/format.h>

namespace normgraft::cli {
namespace {

std::string cell(const Json& entry, const std::string& key, double scale) {
  if (!entry.contains(key) || !entry[key].is_number()) return fmt::format("{:>24}", "-");
  const Json& interval = entry[key + "_interval"];
  return fmt::format("{:>24}",
                     fmt::format("{:.4g} [{:.4g}, {:.4g}]", scale * entry[key].get<double>(),
                                 scale * interval[0].get<double>(), scale * interval[1].get<double>()));
}

}  // namespace

std::string accuracy_table(const Json& accuracy) {
  if (accuracy.empty()) return "accuracy: not judged, no --val";
  std::string text =
      fmt::format("{:<12}{:>24}{:>24}{:>24}{:>24}", "model", "top-1 %", "top-5 %", "agreement %", "KL, nats");
  for (const Json& entry : accuracy) {
    text += fmt::format("\n{:<12}{}{}{}{}", entry.value("stage", ""), cell(entry, "top1", 100),
                        cell(entry, "top5", 100), cell(entry, "agreement", 100), cell(entry, "kl", 1));
  }
  return text;
}

std::string seconds_table(const Json& seconds) {
  std::string text = "seconds:";
  for (const auto& [stage, value] : seconds.items())
    text += fmt::format(" {} {:.1f}", stage, value.get<double>());
  return text;
}

}  // namespace normgraft::cli
