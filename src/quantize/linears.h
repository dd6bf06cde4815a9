#pragma once

#include "program_maker.h"

namespace normgraft {

/// A Linear to be done in whole numbers.
struct LinearToMake {
  std::string place;
  Tensor weight;  ///< [out, in]
  Tensor bias;    ///< [out], or undefined: 0
  /// Each row of the weight sums to 0, and so shall that of its codes. The steps of `from` are all the same.
  bool blind = false;
  /// What enters on average, in real numbers [in]: there the bias takes up what rounding the weights does.
  /// Undefined: nothing is taken up.
  Tensor mean;
  Codes from, to;
  bool adds = false;
  int64_t rows = 0, first_row = 0;  ///< of LinearStep
};

/// The step, with weights of 8 bits and a step for each output: that of the largest weight, wider where the
/// sums or the bias would not fit 32 bits. The zero of `from`, and half a step where it is floored, move into
/// the bias, the zero of `to` into the step's; where it adds, `to` has none.
void add_linear(ProgramMaker& maker, const LinearToMake& linear);

}  // namespace normgraft
