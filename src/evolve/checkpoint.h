#pragma once

#include <optional>
#include <string>

#include "search.h"

namespace normgraft {

/// The states that the runs of one evolve() left in a folder, a CBOR file for each.
class Checkpoints {
 public:
  /// `identity` tells searches apart that must not go on from each other's states. No folder: nothing is
  /// kept.
  Checkpoints(Path folder, uint64_t identity) : folder_(std::move(folder)), identity_(identity) {}

  /// The state of a run; nothing when there is none, it is of another search, or it is damaged.
  std::optional<SearchState> read(const std::string& site, int seed) const;
  /// Atomically.
  void write(const std::string& site, int seed, const SearchState& state) const;

 private:
  Path file(const std::string& site, int seed) const;

  Path folder_;
  uint64_t identity_;
};

/// A hash of everything that the course of a search depends on.
uint64_t search_identity(const Mappings& mappings, const EvolveOptions& options);

}  // namespace normgraft
