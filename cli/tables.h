#pragma once

#include <string>
#include <vector>

#include "normgraft/core/files.h"

namespace normgraft::cli {

/// Text in columns, two spaces apart whatever they hold: the first one and a last one of words to the left,
/// numbers to the right.
class Table {
 public:
  /// `left`: which columns are aligned to the left, beside the first.
  explicit Table(std::vector<std::string> head, std::vector<size_t> left = {});
  void add(std::vector<std::string> row);
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<size_t> left_;
};

/// What was won and lost: a row for each entry of accuracy.json.
std::string accuracy_table(const Json& accuracy);

/// Seconds of each stage.
std::string seconds_table(const Json& seconds);

}  // namespace normgraft::cli
