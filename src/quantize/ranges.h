#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "normgraft/network/operations.h"
#include "normgraft/quantize/histogram.h"

namespace normgraft {

/// Watches a network in F32 in two passes over the same pictures: how far the numbers of each place reach,
/// then how often they lie where. What it sees does not depend on the order of calls.
class RangeWatcher : public Arithmetic {
 public:
  struct Place {
    Kept kind = Kept::kInner;
    Histogram seen;
    std::vector<double> largest;  ///< magnitude of each channel
    /// Sums of each channel in units of 2^-24, which do not depend on their order: of all tokens, and of the
    /// first token of each picture.
    std::vector<int64_t> sums, first_sums;
    int64_t tokens = 0, pictures = 0;

    /// F64 [channels]
    Tensor mean(bool of_first_tokens) const;
  };

  Tensor kept(Kept kind, const std::string& place, const Tensor& x) const override;

  /// From here on, values are counted.
  void count() { counting_ = true; }

  const std::map<std::string, Place>& places() const { return places_; }

 private:
  bool counting_ = false;
  mutable std::mutex mutex_;
  mutable std::map<std::string, Place> places_;
};

}  // namespace normgraft
