#pragma once

#include <string>
#include <vector>

#include "normgraft/integer/fitted_curve.h"
#include "normgraft/integer/program.h"
#include "normgraft/network/tensors.h"

namespace normgraft {

/// The real numbers that the codes of a buffer stand for: steps[c] * (code - zero) in channel c. Where codes
/// were rounded down, half a step more in all channels but 0, which holds nothing.
struct Codes {
  BufferIndex buffer = 0;
  Tensor steps;  ///< F64 [width], each > 0
  int64_t zero = 0;
  int bits = 8;
  bool floored = false;

  int64_t least() const { return -(int64_t{1} << (bits - 1)); }
  int64_t most() const { return (int64_t{1} << (bits - 1)) - 1; }
};

/// Puts a program together.
class ProgramMaker {
 public:
  IntegerProgram& program() { return program_; }

  /// A buffer of one step for all channels.
  Codes buffer(const std::string& name, int64_t rows, int64_t width, int bits, double step, int64_t zero = 0);
  /// A buffer with a step for each channel [width].
  Codes buffer(const std::string& name, int64_t rows, const Tensor& steps, int bits);

  /// Whole numbers of any type; returns the name.
  std::string tensor(const std::string& name, const Tensor& values, int bits);
  /// The curve with its knots among the tensors as `name`.
  Curve curve(const std::string& name, const FittedCurve& fitted);

  void step(const std::string& place, IntegerStep step) {
    program_.steps.push_back({place, std::move(step)});
  }

 private:
  IntegerProgram program_;
};

/// F64 [width], all of them `step`.
Tensor even_steps(int64_t width, double step);

}  // namespace normgraft
