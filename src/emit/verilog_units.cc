#include "verilog_units.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "normgraft/integer/arithmetic.h"
#include "verilog_curve.h"
#include "verilog_pieces.h"
#include "verilog_text.h"

namespace normgraft {

std::map<std::string, std::string> words_of(const VerilogPorts& ports, const std::string& says) {
  return {{"module", ports.module},
          {"comment", ports.comment},
          {"says", says},
          {"in_bits", std::to_string(ports.in_bits)},
          {"in_top", std::to_string(ports.in_bits - 1)},
          {"out_bits", std::to_string(ports.out_bits)},
          {"out_top", std::to_string(ports.out_bits - 1)}};
}

namespace {

/// What a scale unit multiplies: x without its lower bits, behind which the middle of them is one bit.
struct Operand {
  std::string text;
  int bits = 0;
  int zeros = 0;  ///< bits below the operand, which are 0
};

Operand operand(const ScaleStep& step, int in_bits) {
  if (step.x_cut == 0) return {"in_code", in_bits, 0};
  Operand made;
  made.zeros = std::min(step.x_cut - 1, step.shift);
  const int below = step.x_cut - 1 - made.zeros;
  made.bits = in_bits - made.zeros;
  made.text =
      fmt::format("{{in_code[{}:{}], {}}}", in_bits - 1, step.x_cut, literal(int64_t{1} << below, below + 1));
  return made;
}

}  // namespace

std::string scale_unit(const VerilogPorts& ports, const ScaleStep& step, const IntegerTensor& knots) {
  const int r_bits = ports.in_bits - step.r_cut;
  const CurveRange range = range_of(step.g, knots, r_bits);
  const int digits = product_digits(range.least, range.most);
  CurveLogic curve = curve_logic(step.g, knots, {"r", r_bits}, product_offset(digits), 2 * digits);
  const Operand x = operand(step, ports.in_bits);
  const int product_bits = x.bits + 2 * digits;
  const RoundedCode rounded =
      rounded_code("product", product_bits, step.shift - x.zeros, ports.out_bits, step.floors);
  curve.unused.insert(curve.unused.end(), rounded.unused.begin(), rounded.unused.end());
  if (const int unread = std::min(step.r_cut, step.x_cut); unread > 0)
    curve.unused.push_back(fmt::format("in_code[{}:0]", unread - 1));
  auto words = words_of(ports, "x times g(r): element 0 of a token is r, and comes out as 0.");
  words.merge(std::map<std::string, std::string>{{"curve", curve.text},
                                                 {"r_top", std::to_string(r_bits - 1)},
                                                 {"r_cut", std::to_string(step.r_cut)},
                                                 {"x", x.text},
                                                 {"x_bits", std::to_string(x.bits)},
                                                 {"x_top", std::to_string(x.bits - 1)},
                                                 {"factor_top", std::to_string(2 * digits - 1)},
                                                 {"product_top", std::to_string(product_bits - 1)},
                                                 {"digits", std::to_string(digits)},
                                                 {"rounded", rounded.text},
                                                 {"clamped", rounded.code},
                                                 {"unused", sink(curve.unused)}});
  return with_words(std::string(verilog::kPorts) + std::string(verilog::kScale), words);
}

std::string curve_unit(const VerilogPorts& ports, const CurveStep& step, const IntegerTensor& knots) {
  const CurveRange range = range_of(step.f, knots, ports.in_bits);
  const int bits = signed_bits(range.least, range.most);
  const CurveLogic curve = curve_logic(step.f, knots, {"in_code", ports.in_bits}, 0, bits);
  const RoundedCode code = rounded_code("result", bits, 0, ports.out_bits);
  auto words = words_of(ports, "A function of each element.");
  words.merge(std::map<std::string, std::string>{{"curve", curve.text},
                                                 {"value_top", std::to_string(bits - 1)},
                                                 {"fits", code.text},
                                                 {"clamped", code.code},
                                                 {"unused", sink(curve.unused)}});
  return with_words(std::string(verilog::kPorts) + std::string(verilog::kCurve), words);
}

}  // namespace normgraft
