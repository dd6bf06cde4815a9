#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "normgraft/core/error.h"
#include "verilog_norm_pieces.h"
#include "verilog_pieces.h"
#include "verilog_text.h"
#include "verilog_units.h"

namespace normgraft {
namespace {

constexpr int kGuardBits = 4;    ///< of an element behind the last bit of y, before it is multiplied
constexpr int kFactorGuard = 4;  ///< of the factor beyond the bits of y

/// How a NormStep is computed: y = (D x - s) * constant / sqrt(N), N = D * sum of x^2 - s^2 + eps.
/// With N = M * 4^pair, 1 <= M < 4, the factor is kappa / sqrt(M), kappa = constant * 2^j.
struct NormDesign {
  int in = 0, out = 0;
  int64_t d = 0;
  int d_bits = 0, sum = 0, squares = 0, n = 0;        ///< bits
  int64_t eps = 0;                                    ///< of N
  int digits = 0;                                     ///< of the factor
  int table_bits = 0, line_bits = 0, slope_bits = 0;  ///< of M: behind its upper two, and behind these
  double kappa = 0;
  int least_pair = 0, places = 0, shifted = 0, m = 0;  ///< places: behind the point of D x - s shifted
  int shift = 0;                                       ///< of the product, at the end
  int pointer = 0;                                     ///< bits of an address in the buffer

  int mantissa() const { return 2 + table_bits + line_bits; }
  double at(double mantissa) const { return kappa / std::sqrt(mantissa); }
  double middle(int64_t i) const { return std::ldexp(static_cast<double>(i) + 0.5, -table_bits); }
  /// How far the line of an interval of the table falls.
  int64_t fall(int64_t i) const {
    return std::llround(std::ldexp(at(middle(i)) / (2 * middle(i)), -table_bits));
  }
  /// Where it begins. What the fall is rounded down by on average is taken off.
  int64_t begin(int64_t i) const {
    return std::llround(at(middle(i)) + static_cast<double>(fall(i)) / 2 - 0.5);
  }
};

NormDesign design(const VerilogPorts& ports, const NormStep& step) {
  NormDesign made;
  made.in = ports.in_bits;
  made.out = ports.out_bits;
  made.d = ports.channels;
  made.d_bits = made.d > 1 ? unsigned_bits(made.d - 1) : 1;
  made.sum = made.in + made.d_bits;
  made.squares = 2 * made.in - 1 + made.d_bits;
  const double eps =
      std::ldexp(static_cast<double>(step.eps), step.variance_shift) / static_cast<double>(made.d);
  made.eps = std::llround(std::min(eps, 4e18));
  const double channels = static_cast<double>(made.d);
  const double most = static_cast<double>(made.eps) + channels * channels * std::ldexp(1, 2 * made.in - 2);

  const double constant =
      std::max(std::ldexp(std::abs(static_cast<double>(step.rescale.multiplier)), 20 - step.rescale.shift) /
                   std::sqrt(channels),
               std::ldexp(1, -20));
  made.digits = (made.out + kFactorGuard) / 2;
  made.table_bits = made.out / 2;
  const double largest = 2.0 * static_cast<double>(product_offset(made.digits)) - 2;
  const int exponent = static_cast<int>(std::floor(std::log2(largest / constant)));
  made.kappa = std::ldexp(constant, exponent);
  made.slope_bits = unsigned_bits(made.fall(int64_t{1} << made.table_bits));
  made.line_bits = made.slope_bits + 1;
  made.n = std::max({std::ilogb(most) + 2, made.squares + 2, made.mantissa()});
  made.n += made.n % 2;

  const double least = std::max(1.0, channels - 1 + static_cast<double>(made.eps));
  made.least_pair = std::ilogb(least) / 2;
  made.places = std::max(0, static_cast<int>(std::ceil(std::log2(constant))) + kGuardBits);
  made.m = made.sum + 1;
  const int placed = made.m + made.places - made.least_pair;
  made.shifted = std::min(placed, made.places + 2 + static_cast<int>(std::ceil(std::log2(channels) / 2)));
  made.shift = made.places + exponent;
  made.pointer = unsigned_bits(made.d + made.n + made.line_bits + 15);
  if (made.n > 64 || placed < 2 || made.shifted < 2 || made.shift < 1) {
    throw InputError(fmt::format(
        "export --to verilog: {}: a LayerNorm with sums of {} bits, expected up to 64", ports.place, made.n));
  }
  return made;
}

/// D q from the bits of q, the lowest first: a sum of q as it was so many clocks ago.
std::string times_d(int64_t d) {
  std::vector<int> places;
  for (int bit = 0; d >> bit > 0; ++bit)
    if ((d >> bit & 1) != 0) places.push_back(bit);
  std::string text, resets, nexts;
  if (places.back() > 0) {
    text += fmt::format("  reg [{}:0] q_before;\n", places.back() - 1);
    resets += fmt::format("      q_before <= {};\n", literal(0, places.back()));
    nexts += places.back() > 1
                 ? fmt::format("      q_before <= {{q_before[{}:0], q_bit}};\n", places.back() - 2)
                 : "      q_before <= q_bit;\n";
  }
  const auto term = [](int place) {
    return place == 0 ? std::string("q_bit") : fmt::format("q_before[{}]", place - 1);
  };
  std::string so_far = term(places[0]);
  for (size_t i = 1; i < places.size(); ++i) {
    const std::string other = term(places[i]), carry = fmt::format("d_carry_{}", i);
    text += fmt::format("  reg {};\n  wire d_{} = {} ^ {} ^ {};\n", carry, i, so_far, other, carry);
    resets += fmt::format("      {} <= 1'b0;\n", carry);
    nexts += fmt::format("      {0} <= {1} & {2} | {1} & {0} | {2} & {0};\n", carry, so_far, other);
    so_far = fmt::format("d_{}", i);
  }
  text += fmt::format("  wire d_q = {};\n", so_far);
  if (!resets.empty()) {
    text +=
        fmt::format("  always @(posedge clock)\n    if (root_takes) begin\n{}    end else begin\n{}    end\n",
                    resets, nexts);
  }
  return text;
}

std::string line_table(const NormDesign& made) {
  std::string text;
  const int64_t entries = int64_t{4} << made.table_bits;
  for (int64_t i = entries / 4; i < entries; ++i) {
    const std::string index = i == entries - 1 ? "default" : literal(i, made.table_bits + 2);
    fmt::format_to(std::back_inserter(text), "        {}: line <= {{{}, {}}};\n", index,
                   literal(made.begin(i) + product_offset(made.digits), 2 * made.digits),
                   literal(made.fall(i), made.slope_bits));
  }
  return text;
}

}  // namespace

int norm_clocks(const VerilogPorts& ports, const NormStep& step) {
  const NormDesign made = design(ports, step);
  return static_cast<int>(made.d) + 3 + made.n + 1 + made.line_bits + 5;
}

std::string norm_unit(const VerilogPorts& ports, const NormStep& step) {
  const NormDesign made = design(ports, step);
  const int pair = unsigned_bits(made.n - 1) - 1, placed = made.m + made.places - made.least_pair;
  const int y = made.shifted + 2 * made.digits, count = pair + 1;
  RoundedCode rounded = rounded_code("y", y, made.shift, made.out);
  std::vector<std::string> unused = rounded.unused;
  unused.push_back(fmt::format("square_product[{}:{}]", 2 * made.in, 2 * made.in - 1));
  unused.push_back("with_carry[0]");
  unused.push_back("fall_sum[0]");
  unused.push_back("window[0]");
  if (placed > made.shifted) unused.push_back(fmt::format("shifted_far[{}:{}]", placed - 1, made.shifted));
  const int drops = made.least_pair - made.places;
  if (drops > 0) unused.push_back(fmt::format("m[{}:0]", drops - 1));
  const std::string scaled =
      fmt::format("{{{{{}{{x[{}]}}}}, x}} * {}", made.m - made.in, made.in - 1, literal(made.d, made.m));
  const std::string s = fmt::format("{{s_of_x[{}], s_of_x}}", made.sum - 1);
  const bool negative = step.rescale.multiplier < 0;
  const auto number = [](int64_t v) { return std::to_string(v); };
  auto words = words_of(ports, "LayerNorm of a token in two passes.");
  words.merge(std::map<std::string, std::string>{
      {"in_zero", literal(0, made.in)},
      {"memory_last", number((int64_t{1} << made.pointer) - 1)},
      {"pointer_bits", number(made.pointer)},
      {"pointer_top", number(made.pointer - 1)},
      {"pointer_zero", literal(0, made.pointer + 1)},
      {"pointer_one", literal(1, made.pointer + 1)},
      {"product_x_top", number(2 * made.in)},
      {"square_x", number(made.in + 1)},
      {"square_digits", number(made.in / 2)},
      {"square_offset", literal(product_offset(made.in / 2), made.in)},
      {"square_top", number(2 * made.in - 2)},
      {"square_extension", literal(0, made.d_bits)},
      {"sum_top", number(made.sum - 1)},
      {"sum_bits", number(made.sum)},
      {"sum_bits_1", number(made.sum + 1)},
      {"sum_zero", literal(0, made.sum)},
      {"sum_extension", number(made.d_bits)},
      {"squares_top", number(made.squares - 1)},
      {"squares_zero", literal(0, made.squares)},
      {"sum_bits_literal", literal(made.sum, count)},
      {"s_top_literal", literal(made.sum - 1, count)},
      {"squares_bits_literal", literal(made.squares, count)},
      {"s_index_top", number(unsigned_bits(made.sum - 1) - 1)},
      {"q_index_top", number(unsigned_bits(made.squares - 1) - 1)},
      {"partial_zero", literal(0, made.sum + 1)},
      {"times_d", times_d(made.d)},
      {"n_top", number(made.n - 1)},
      {"n_top_literal", literal(made.n - 1, count)},
      {"eps", literal(made.eps, made.n)},
      {"count_top", number(count - 1)},
      {"count_zero", literal(0, count)},
      {"count_one", literal(1, count)},
      {"mantissa_top", number(made.mantissa() - 1)},
      {"mantissa_top_1", number(made.mantissa() - 2)},
      {"mantissa_zero", literal(0, made.mantissa())},
      {"pair_top", number(pair - 1)},
      {"pair_least", literal(made.least_pair, pair)},
      {"line_top", number(2 * made.digits + made.slope_bits - 1)},
      {"slope_bits", number(made.slope_bits)},
      {"slope_bits_top", number(made.slope_bits - 1)},
      {"slope_zero", literal(0, made.slope_bits)},
      {"fall_extension", literal(0, 2 * made.digits - made.slope_bits)},
      {"f_index_top", number(unsigned_bits(made.mantissa() - 1) - 1)},
      {"f_bits", number(made.line_bits)},
      {"f_top_literal", literal(made.line_bits - 1, count)},
      {"factor_top", number(2 * made.digits - 1)},
      {"factor_digits", number(made.digits)},
      {"table", line_table(made)},
      {"index_top", number(made.d_bits - 1)},
      {"index_zero", literal(0, made.d_bits)},
      {"index_one", literal(1, made.d_bits)},
      {"index_last", literal(made.d - 1, made.d_bits)},
      {"m_top", number(made.m - 1)},
      {"m", negative ? s + " - " + scaled : scaled + " - " + s},
      {"placed_top", number(placed - 1)},
      {"placed", drops > 0    ? fmt::format("m[{}:{}]", made.m - 1, drops)
                 : drops == 0 ? std::string("m")
                              : fmt::format("{{m, {}}}", literal(0, -drops))},
      {"shifted_top", number(made.shifted - 1)},
      {"shifted_bits", number(made.shifted)},
      {"y_top", number(y - 1)},
      {"rounded", rounded.text},
      {"clamped", rounded.code},
      {"unused", sink(unused)}});
  return with_words(std::string(verilog::kPorts) + std::string(verilog::kNorm), words);
}

}  // namespace normgraft
