#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "normgraft/core/files.h"
#include "normgraft/network/network.h"

namespace normgraft {

/// Tokens whose r a function was given, and those of them whose r was out of the range that it is held
/// within (Carried).
struct RCount {
  int64_t tokens = 0;
  int64_t beyond = 0;    ///< out of the range; NaN is
  int64_t fourfold = 0;  ///< of these, out of four times the range about its middle; NaN is

  RCount& operator+=(const RCount& other);
  bool operator==(const RCount&) const = default;
};

/// By the name of a site; only those with a function where a channel tells r.
using RRange = std::map<std::string, RCount>;

/// Counts r at the sites of a network, from any thread, until its end. Sums of whole numbers, so their order
/// does not matter.
class RWatch {
 public:
  /// Puts itself ahead of the functions of the network, which uses it from here on.
  explicit RWatch(Network& network);

  /// What was counted since this was asked last.
  RRange take();

 private:
  struct Counter {
    std::string site;
    std::array<std::atomic<int64_t>, 3> counts = {};
  };
  std::vector<std::shared_ptr<Counter>> counters_;
};

/// Totals tokens, beyond and beyond_fourfold; and under `sites` the same for each site with an r beyond its
/// range.
Json to_json(const RRange& range);

/// A line for a reader: the totals, and the site with most beyond.
std::string to_string(const RRange& range);

}  // namespace normgraft
