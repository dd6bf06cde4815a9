#pragma once

#include "normgraft/network/carrier.h"
#include "regression.h"

namespace normgraft {

/// Which tokens of many pictures are rows of a regression, and what each weighs.
class TokenRows {
 public:
  /// `tokens` N of each picture, of which the first `prefix` stand for no patch. Of the patches some may be
  /// left out, the same in all pictures, where there are more rows than a regression needs.
  TokenRows(int64_t pictures, int64_t tokens, int64_t prefix, size_t site);

  /// [B, N, d] -> [R, d]
  Tensor rows(const Tensor& values) const { return values.index_select(1, tokens_).flatten(0, 1); }

  /// What each row weighs [R]: of the costs its share, but at least a fiftieth of what it has when all count
  /// alike (as they do where nothing costs), over s^2 where `spread` [B, N] is given.
  Tensor weights(const TokenCosts& costs, int64_t pictures, const Tensor& spread = {}) const;

 private:
  Tensor tokens_;  // [n] indices
  int64_t prefix_, patches_;
};

}  // namespace normgraft
