#pragma once

#include <string>

#include "normgraft/expr/expression.h"
#include "normgraft/integer/program.h"

namespace normgraft {

// What the curves of a program stand for, in real numbers.

/// The function of the program's origin for a norm site. Throws InputError where there is none.
Expression function_of_site(const IntegerProgram& program, const std::string& site);

/// f of a CurveStep: that of its norm site, or the activation that is nearest to the curve. Throws InputError
/// where they differ by more than a step of what is written.
Expression function_of_curve(const IntegerProgram& program, const std::string& place, const CurveStep& step);

/// g of a ScaleStep, y = x g(r), and the range of r in which its curve is. Throws InputError where the curve
/// is not that of the origin's function.
struct ScaleFunction {
  Expression f;
  double low = 0, high = 0;
};
ScaleFunction function_of_scale(const IntegerProgram& program, const std::string& place,
                                const ScaleStep& step);

/// k of exp(-k code), which the curve of an AttentionStep is. Throws InputError where it is not.
double rate_of_exponential(const IntegerProgram& program, const std::string& place,
                           const AttentionStep& step);

}  // namespace normgraft
