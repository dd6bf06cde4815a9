#include "tables.h"

#include <fmt/format.h>

#include <algorithm>

namespace normgraft::cli {
namespace {

std::string cell(const Json& entry, const std::string& key, double scale) {
  if (!entry.contains(key) || !entry[key].is_number()) return "-";
  const Json& interval = entry[key + "_interval"];
  return fmt::format("{:.4g} [{:.4g}, {:.4g}]", scale * entry[key].get<double>(),
                     scale * interval[0].get<double>(), scale * interval[1].get<double>());
}

}  // namespace

Table::Table(std::vector<std::string> head, std::vector<size_t> left)
    : rows_{std::move(head)}, left_(std::move(left)) {
  left_.push_back(0);
}

void Table::add(std::vector<std::string> row) {
  rows_.push_back(std::move(row));
}

std::string Table::text() const {
  std::vector<size_t> widths(rows_.front().size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const bool left = std::find(left_.begin(), left_.end(), i) != left_.end();
      line += i > 0 ? "  " : "";
      line += left ? fmt::format("{:<{}}", row[i], widths[i]) : fmt::format("{:>{}}", row[i], widths[i]);
    }
    line.resize(line.find_last_not_of(' ') + 1);
    text += text.empty() ? line : "\n" + line;
  }
  return text;
}

std::string accuracy_table(const Json& accuracy) {
  if (accuracy.empty()) return "accuracy: not judged, no --val";
  Table table({"model", "top-1 %", "top-5 %", "agreement %", "KL, nats"});
  for (const Json& entry : accuracy) {
    table.add({entry.value("stage", ""), cell(entry, "top1", 100), cell(entry, "top5", 100),
               cell(entry, "agreement", 100), cell(entry, "kl", 1)});
  }
  return table.text();
}

std::string seconds_table(const Json& seconds) {
  std::string text = "seconds:";
  for (const auto& [stage, value] : seconds.items())
    text += fmt::format(" {} {:.1f}", stage, value.get<double>());
  return text;
}

}  // namespace normgraft::cli
