#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "normgraft/integer/program.h"

namespace normgraft {

/// Runs a program on many pictures.
class IntegerEngine {
 public:
  virtual ~IntegerEngine() = default;

  /// Codes pixel - 128 of any number of pictures [B, 3, height, width] -> logits [B, classes].
  virtual std::vector<int32_t> logits(std::span<const int8_t> pictures) const = 0;
};

/// The interpreter, a picture at a time on each of so many threads. The program has to outlive it.
std::unique_ptr<IntegerEngine> plain_engine(const IntegerProgram& program, int threads);

}  // namespace normgraft
