#include "torch_functions.h"

#include <fmt/format.h>

#include "spelling.h"

namespace normgraft {
namespace {

constexpr Spellings kTorch({
    {Op::kConstant, "torch.full_like(x, {c})"},
    {Op::kX, "x"},
    {Op::kR, "r"},
    {Op::kAdd, "({a} + {b})"},
    {Op::kSub, "({a} - {b})"},
    {Op::kMul, "({a} * {b})"},
    {Op::kDiv, "({a} / {b})"},
    {Op::kMin, "torch.minimum({a}, {b})"},
    {Op::kMax, "torch.maximum({a}, {b})"},
    {Op::kNeg, "(-{a})"},
    {Op::kAbs, "torch.abs({a})"},
    {Op::kSquare, "torch.square({a})"},
    {Op::kClip, "torch.clamp({a}, {lo}, {hi})"},
    {Op::kTanh, "torch.tanh({a})"},
    {Op::kSigmoid, "torch.sigmoid({a})"},
    {Op::kErf, "torch.erf({a})"},
    {Op::kSqrt, "torch.sqrt({a})"},
    {Op::kRsqrt, "torch.rsqrt({a})"},
    {Op::kExp, "torch.exp({a})"},
    {Op::kLog, "torch.log({a})"},
    {Op::kExp2, "torch.exp2({a})"},
    {Op::kLog2, "torch.log2({a})"},
});

}  // namespace

std::string torch_definition(const std::string& name, const Expression& f) {
  const SpelledExpression spelled = spell(f, kTorch);
  const bool reads_r = f.reads(Op::kR);
  const bool broadcasts = reads_r && !f.reads(Op::kX);
  std::string text = fmt::format("def {}({}):\n    # {}\n", name, reads_r ? "x, r" : "x", f.to_string());
  for (size_t i = 0; i < spelled.steps.size(); ++i)
    text += fmt::format("    t{} = {}\n", i, spelled.steps[i]);
  const std::string value = broadcasts ? fmt::format("({}).expand_as(x)", spelled.value) : spelled.value;
  return text + fmt::format("    return {}\n\n\n", value);
}

}  // namespace normgraft
