#include "verilog_units.h"

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

std::string scale_unit(const VerilogPorts& ports, const ScaleStep& step, const IntegerTensor& knots) {
  const CurveRange range = range_of(step.g, knots, ports.in_bits);
  const int digits = product_digits(range.least, range.most);
  CurveLogic curve = curve_logic(step.g, knots, ports.in_bits, product_offset(digits), 2 * digits);
  const int product_bits = ports.in_bits + 2 * digits;
  const RoundedCode rounded = rounded_code("product", product_bits, step.shift, ports.out_bits);
  curve.unused.insert(curve.unused.end(), rounded.unused.begin(), rounded.unused.end());
  auto words = words_of(ports, "x times g(r): element 0 of a token is r, and comes out as 0.");
  words.merge(std::map<std::string, std::string>{{"curve", curve.text},
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
  const CurveLogic curve = curve_logic(step.f, knots, ports.in_bits, 0, bits);
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
