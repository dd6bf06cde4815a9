#include "verilog_curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>

#include "normgraft/integer/arithmetic.h"
#include "verilog_text.h"

namespace normgraft {
namespace {

/// Where the table has more entries than this, those below the first knot are told apart by a comparison.
constexpr int kListedIndexBits = 10;

/// The straight piece from one knot to the next; beyond the ends, the end.
struct Piece {
  int64_t knot = 0, slope = 0;  ///< slope: to the next knot
  bool operator==(const Piece&) const = default;
};

class CurveMaker {
 public:
  CurveMaker(const Curve& curve, const IntegerTensor& knots, const CodeWire& code, int64_t offset, int bits)
      : curve_(curve), knots_(knots), code_(code), offset_(offset), bits_(bits) {
    const int64_t spacing = int64_t{1} << curve.shift;
    base_ = curve.low >> curve.shift;
    below_ = curve.low - base_ * spacing;
    at_bits_ = std::max(code.bits + (below_ > 0 ? 1 : 0), curve.shift + 1);
    const int64_t most = largest_code(code.bits), least = -most - 1;
    first_ = (least - below_) >> curve.shift;
    last_ = (most - below_) >> curve.shift;
    for (int64_t index = first_; index <= last_; ++index) pieces_.push_back(piece(index));
  }

  CurveLogic make() {
    measure();
    logic_.bits = bits_;
    add("  reg [{}:0] at;\n", at_bits_ - 1);
    add("  reg [{}:0] entry;\n", entry_bits() - 1);
    if (has_slope_) add("  reg [{}:0] distance;\n", curve_.shift - 1);
    add("  always @(posedge clock)\n    if (step) begin\n");
    const std::string code = resized(code_.name, code_.bits, at_bits_);
    add("      at <= {}{};\n", code, below_ > 0 ? " - " + literal(below_, at_bits_) : "");
    if (has_slope_) add("      distance <= at[{}:0];\n", curve_.shift - 1);
    if (!has_slope_ && curve_.shift > 0) unused("at[{}:0]", curve_.shift - 1);
    add_table();
    add("    end\n");
    add_value();
    return logic_;
  }

 private:
  template <typename... Words>
  void add(fmt::format_string<Words...> format, Words&&... words) {
    fmt::format_to(std::back_inserter(logic_.text), format, std::forward<Words>(words)...);
  }
  template <typename... Words>
  void unused(fmt::format_string<Words...> format, Words&&... words) {
    logic_.unused.push_back(fmt::format(format, std::forward<Words>(words)...));
  }

  Piece piece(int64_t index) const {
    const int64_t i = index - base_, intervals = knots_.size() - 1;
    if (i < 0) return {knots_.at(0), 0};
    if (i >= intervals) return {knots_.at(intervals), 0};
    return {knots_.at(i), knots_.at(i + 1) - knots_.at(i)};
  }

  /// A knot as the table holds it: with what is added to the value, and to round where it has a fraction.
  int64_t stored(const Piece& piece) const {
    const int64_t half = curve_.fraction > 0 ? int64_t{1} << (curve_.fraction - 1) : 0;
    return piece.knot + half + offset_ * (int64_t{1} << curve_.fraction);
  }

  void measure() {
    int64_t least_slope = 0, most_slope = 0, least = stored(pieces_[0]), most = least;
    for (const Piece& each : pieces_) {
      least_slope = std::min(least_slope, each.slope);
      most_slope = std::max(most_slope, each.slope);
      least = std::min({least, stored(each), stored(each) + each.slope});
      most = std::max({most, stored(each), stored(each) + each.slope});
    }
    has_slope_ = curve_.shift > 0 && (least_slope != 0 || most_slope != 0);
    knot_bits_ = std::max(signed_bits(least, most), bits_ + curve_.fraction);
    const int up = product_digits(least_slope, most_slope), down = product_digits(-most_slope, -least_slope);
    falls_ = down < up;
    digits_ = std::min(up, down);
  }

  int entry_bits() const { return knot_bits_ + (has_slope_ ? 2 * digits_ : 0); }

  std::string entry(const Piece& piece) const {
    std::string knot = literal(stored(piece), knot_bits_);
    if (!has_slope_) return knot;
    const int64_t slope = falls_ ? -piece.slope : piece.slope;
    return fmt::format("{{{}, {}}}", knot, literal(slope + product_offset(digits_), 2 * digits_));
  }

  void add_table() {
    const int index_bits = at_bits_ - curve_.shift;
    const std::string index = fmt::format("at[{}:{}]", at_bits_ - 1, curve_.shift);
    const bool listed = index_bits <= kListedIndexBits;
    const int64_t from = listed ? first_ : std::clamp(base_, first_, last_);
    if (!listed && from > first_) {
      add("      if ($signed({}) < $signed({})) entry <= {};\n      else\n", index, literal(from, index_bits),
          entry(pieces_[0]));
    }
    add("      case ({})\n", index);
    for (int64_t i = from; i < last_; ++i) {
      const Piece& each = pieces_[static_cast<size_t>(i - first_)];
      if (each != pieces_.back()) add("        {}: entry <= {};\n", literal(i, index_bits), entry(each));
    }
    add("        default: entry <= {};\n      endcase\n", entry(pieces_.back()));
  }

  void add_value() {
    const std::string knot =
        has_slope_ ? fmt::format("entry[{}:{}]", entry_bits() - 1, 2 * digits_) : "entry";
    const int point = curve_.fraction + (has_slope_ ? curve_.shift : 0);
    int total_bits = knot_bits_;
    if (has_slope_) {
      const int product_bits = curve_.shift + 1 + 2 * digits_;
      total_bits += curve_.shift;
      add("  wire [{}:0] rise;\n", product_bits - 1);
      add("  normgraft_product #(.X({}), .N({})) times_slope "
          "(.x({{1'b0, distance}}), .digits(entry[{}:0]), .product(rise));\n",
          curve_.shift + 1, digits_, 2 * digits_ - 1);
      const int64_t half = curve_.fraction > 0 ? 0 : int64_t{1} << (curve_.shift - 1);
      add("  wire [{}:0] total = {{{}, {}}} {} {};\n", total_bits - 1, knot, literal(half, curve_.shift),
          falls_ ? "-" : "+", resized("rise", product_bits, total_bits));
      if (product_bits > total_bits) unused("rise[{}:{}]", product_bits - 1, total_bits);
    } else {
      add("  wire [{}:0] total = {};\n", total_bits - 1, knot);
    }
    add("  wire [{}:0] value = total[{}:{}];\n", bits_ - 1, point + bits_ - 1, point);
    if (point > 0) unused("total[{}:0]", point - 1);
    if (point + bits_ < total_bits) unused("total[{}:{}]", total_bits - 1, point + bits_);
  }

  const Curve& curve_;
  const IntegerTensor& knots_;
  CodeWire code_;
  int64_t offset_;
  int bits_;
  int64_t base_ = 0, below_ = 0;  ///< low = base * 2^shift + below
  int64_t first_ = 0, last_ = 0;  ///< the intervals that codes reach
  std::vector<Piece> pieces_;     ///< from first to last
  int at_bits_ = 0, knot_bits_ = 0, digits_ = 0;
  bool has_slope_ = false, falls_ = false;  ///< falls: slopes are stored with the other sign
  CurveLogic logic_;
};

}  // namespace

CurveRange range_of(const Curve& curve, const IntegerTensor& knots, int code_bits) {
  CurveRange range{std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()};
  for (int64_t code = -largest_code(code_bits) - 1; code <= largest_code(code_bits); ++code) {
    const int64_t value = value_at(curve, knots, code);
    range.least = std::min(range.least, value);
    range.most = std::max(range.most, value);
  }
  return range;
}

CurveLogic curve_logic(const Curve& curve, const IntegerTensor& knots, const CodeWire& code, int64_t offset,
                       int bits) {
  return CurveMaker(curve, knots, code, offset, bits).make();
}

}  // namespace normgraft
