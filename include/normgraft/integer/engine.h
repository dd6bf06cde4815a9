#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "normgraft/integer/program.h"

namespace normgraft {

struct EngineOptions {
  /// Whether products of bytes are taken where the machine has exact ones (AVX-512 VNNI); else they are those
  /// of 16 bits, which every machine has. The result is the same.
  bool byte_products = true;
};

/// A program made ready for this machine: what interpret() computes, bit by bit, with SIMD and threads. Its
/// weights are laid out once. It keeps nothing of the program that it was made from.
class IntegerEngine {
 public:
  /// The program is checked (check) and proved (prove_no_overflow).
  explicit IntegerEngine(const IntegerProgram& program, const EngineOptions& options = {});
  IntegerEngine(IntegerEngine&&) noexcept;
  IntegerEngine& operator=(IntegerEngine&&) noexcept;
  ~IntegerEngine();

  /// Logits [B, classes] of pictures [B, 3, height, width] of codes pixel - 128, on so many threads. They do
  /// not depend on the threads. May be called from several threads at once. Throws InputError where the
  /// pictures are not whole or there are no threads.
  std::vector<int32_t> run(std::span<const int8_t> pictures, int threads = 1) const;

 private:
  class Impl;
  std::unique_ptr<const Impl> impl_;
};

}  // namespace normgraft
