// Spelling tables that must not compile, one for each CASE; CASE 0 does.
#include "spelling.h"

namespace normgraft {

constexpr Spellings kTable({
  {Op::kConstant, "{c}"}, {Op::kX, "x"}, {Op::kR, "r"}, {Op::kAdd, "{a} + {b}"}, {Op::kSub, "{a} - {b}"},
      {Op::kMul, "{a} * {b}"}, {Op::kDiv, "{a} / {b}"}, {Op::kMin, "min({a}, {b})"},
      {Op::kMax, "max({a}, {b})"}, {Op::kNeg, "-{a}"}, {Op::kAbs, "abs({a})"}, {Op::kSquare, "square({a})"},
      {Op::kClip, "clip({a}, {lo}, {hi})"}, {Op::kTanh, "tanh({a})"}, {Op::kSigmoid, "sigmoid({a})"},
      {Op::kErf, "erf({a})"}, {Op::kSqrt, "sqrt({a})"}, {Op::kRsqrt, "rsqrt({a})"}, {Op::kLog, "log({a})"},
      {Op::kExp2, "exp2({a})"}, {Op::kLog2, "log2({a})"},
#if CASE != 1
      {Op::kExp, "exp({a})"},
#endif
#if CASE == 2
      {Op::kX, "y"},
#endif
#if CASE == 3
      {Op::kExp, ""},
#endif
});

}  // namespace normgraft
