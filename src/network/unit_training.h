#pragma once

#include <string>

#include "normgraft/network/tensors.h"

namespace normgraft {

/// Hidden units of one output: out . activation(weight z + bias) + offset.
struct Units {
  Tensor weight;  ///< [K, D]
  Tensor bias;    ///< [K]
  Tensor out;     ///< [K]
  double offset = 0;

  /// z [..., D] -> [...]
  Tensor operator()(const std::string& activation, const Tensor& z) const;
};

/// What units are trained on: their output is to be `target`.
struct UnitRows {
  Tensor z;       ///< [R, D]
  Tensor target;  ///< [R]
  Tensor weight;  ///< [R], not negative

  UnitRows slice(int64_t from, int64_t to) const;
  /// The weighted sum of squared errors of these units.
  double error(const std::string& activation, const Units& units) const;
};

/// Trains units from where they start by Adam, on batches in an order that depends on `seed` alone; units
/// whose weights are all 0 start from random ones, which say nothing. The same result at the same number of
/// threads.
Units train_units(const UnitRows& rows, const Units& start, const std::string& activation, uint64_t seed);

}  // namespace normgraft
