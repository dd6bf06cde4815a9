#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "normgraft/core/error.h"
#include "normgraft/integer/arithmetic.h"
#include "sums.h"

namespace normgraft {
namespace {

constexpr int64_t kMostSide = int64_t{1} << 24;   ///< of a buffer or a tensor
constexpr int64_t kMostCodes = int64_t{1} << 28;  ///< of all buffers, or of a tensor
constexpr int64_t kMostIntervals = 65536;
constexpr int64_t kFractions = 65536;  ///< the range of a curve over 16 bits

bool is_width(int bits) {
  return bits == 8 || bits == 16 || bits == 32;
}

/// Checks a program from its first step to its last and knows which rows have been written.
class Checker {
 public:
  explicit Checker(const IntegerProgram& program) : program_(program) {}

  void check_all() {
    check_buffers();
    check_tensors();
    program_.preprocessing.validate();
    for (size_t i = 0; i < program_.steps.size(); ++i) {
      where_ = where(program_, i);
      if (program_.steps[i].place.empty()) fail("its place has no name, expected one");
      std::visit([this](const auto& step) { check_step(step); }, program_.steps[i].step);
      bounds_of(program_, i, 64);
    }
    check_logits();
    check_names();
  }

 private:
  [[noreturn]] void fail(const std::string& fault) const {
    throw InputError(fmt::format("integer program: {}{}{}", where_, where_.empty() ? "" : ": ", fault));
  }

  void within(const char* what, int64_t value, int64_t low, int64_t high) const {
    if (value < low || value > high) fail(fmt::format("{} is {}, expected {} to {}", what, value, low, high));
  }

  void equal(const std::string& what, int64_t value, int64_t expected) const {
    if (value != expected) fail(fmt::format("{} is {}, expected {}", what, value, expected));
  }

  void check_buffers() {
    std::set<std::string> names;
    int64_t codes = 0;
    for (size_t i = 0; i < program_.buffers.size(); ++i) {
      const IntegerBuffer& buffer = program_.buffers[i];
      where_ = fmt::format("buffer {}, {}", i, in_quotes(buffer.name));
      if (buffer.name.empty()) fail("it has no name, expected one");
      if (!names.insert(buffer.name).second) fail("its name comes twice, expected each once");
      within("rows", buffer.rows, 1, kMostSide);
      within("width", buffer.width, 1, kMostSide);
      codes += buffer.rows * buffer.width;
      within("rows x width of all buffers to here", codes, 1, kMostCodes);
      if (!is_width(buffer.bits)) fail(fmt::format("bits is {}, expected 8, 16 or 32", buffer.bits));
      if (!std::isfinite(buffer.step) || !std::isfinite(buffer.told_step)) {
        fail("its step is not finite, expected a number");
      }
      written_.emplace_back(static_cast<size_t>(buffer.rows), false);
    }
  }

  void check_tensors() {
    for (const auto& [name, tensor] : program_.tensors) {
      where_ = fmt::format("tensor {}", in_quotes(name));
      if (name.empty() || name == "__metadata__") fail("its name is taken, expected another");
      if (!is_width(tensor.bits)) fail(fmt::format("bits is {}, expected 8, 16 or 32", tensor.bits));
      int64_t size = 1;
      for (const int64_t side : tensor.shape) {
        within("a side of its shape", side, 1, kMostSide);
        size *= side;
        within("its size", size, 1, kMostCodes);
      }
      const auto held = [of = tensor.bits, size](int bits) { return of == bits ? size : 0; };
      equal("its count of values of 8 bits", static_cast<int64_t>(tensor.values8.size()), held(8));
      equal("its count of values of 16 bits", static_cast<int64_t>(tensor.values16.size()), held(16));
      equal("its count of values of 32 bits", static_cast<int64_t>(tensor.values32.size()), held(32));
    }
    where_.clear();
  }

  const IntegerBuffer& buffer(const char* what, BufferIndex index) const {
    within(what, index, 0, static_cast<int64_t>(program_.buffers.size()) - 1);
    return program_.buffers[static_cast<size_t>(index)];
  }

  const IntegerBuffer& of_bits(const char* what, const IntegerBuffer& buffer, int most) const {
    if (buffer.bits > most) {
      fail(fmt::format("{}, buffer {}, is of {} bits, expected at most {}", what, in_quotes(buffer.name),
                       buffer.bits, most));
    }
    return buffer;
  }

  const IntegerTensor& tensor(const char* what, const std::string& name) {
    const auto found = program_.tensors.find(name);
    if (found == program_.tensors.end()) {
      fail(fmt::format("{}: there is no tensor {}, expected one of that name", what, in_quotes(name)));
    }
    used_.insert(name);
    return found->second;
  }

  const IntegerTensor& tensor(const char* what, const std::string& name, int bits,
                              const std::vector<int64_t>& shape) {
    const IntegerTensor& found = tensor(what, name);
    if (found.bits != bits || found.shape != shape) {
      fail(fmt::format("{}: tensor {} is of {} bits [{}], expected {} bits [{}]", what, in_quotes(name),
                       found.bits, fmt::join(found.shape, ", "), bits, fmt::join(shape, ", ")));
    }
    return found;
  }

  const IntegerTensor& curve(const char* what, const Curve& curve) {
    within(fmt::format("the shift of {}", what).c_str(), curve.shift, 0, 16);
    within(fmt::format("the fraction of {}", what).c_str(), curve.fraction, 0, 15);
    const IntegerTensor& knots = tensor(what, curve.knots);
    if (knots.bits == 8 || knots.shape.size() != 1) {
      fail(fmt::format("{}: knots {} are of {} bits [{}], expected a list of 16 or 32 bits", what,
                       in_quotes(curve.knots), knots.bits, fmt::join(knots.shape, ", ")));
    }
    within(fmt::format("the number of knots of {}", what).c_str(), knots.size(), 2, kMostIntervals + 1);
    return knots;
  }

  /// A curve over the 16 bits behind a leading one.
  const IntegerTensor& fraction_curve(const char* what, const Curve& of) {
    const IntegerTensor& knots = curve(what, of);
    equal(fmt::format("the low end of {}", what), of.low, 0);
    equal(fmt::format("the range of {}", what), (knots.size() - 1) << of.shift, kFractions);
    return knots;
  }

  void knots_within(const char* what, const Curve& curve, const IntegerTensor& knots, int64_t low,
                    int64_t high) const {
    for (int64_t i = 0; i < knots.size(); ++i) {
      if (knots.at(i) < low || knots.at(i) > high) {
        fail(fmt::format("{}: knot {} of {} is {}, expected {} to {}", what, i, in_quotes(curve.knots),
                         knots.at(i), low, high));
      }
    }
  }

  void rescale(const Rescale& rescale) const { within("shift", rescale.shift, 0, 62); }

  void reads(BufferIndex index, int64_t first, int64_t rows) const {
    const std::vector<bool>& written = written_[static_cast<size_t>(index)];
    const auto begin = written.begin() + first;
    const auto unwritten = std::find(begin, begin + rows, false);
    if (unwritten == begin + rows) return;
    fail(fmt::format("reads row {} of buffer {}, expected a step before that writes it",
                     unwritten - written.begin(),
                     in_quotes(program_.buffers[static_cast<size_t>(index)].name)));
  }

  void writes(BufferIndex index, int64_t first, int64_t rows) {
    const auto begin = written_[static_cast<size_t>(index)].begin() + first;
    std::fill(begin, begin + rows, true);
  }

  void apart(BufferIndex from, BufferIndex to) const {
    if (from == to) {
      fail(fmt::format("reads and writes buffer {}, expected two buffers",
                       in_quotes(program_.buffers[static_cast<size_t>(from)].name)));
    }
  }

  /// A step that makes one row of `to` of one row of `from`, for the first rows.
  template <typename Step>
  void row_by_row(const Step& step) {
    const IntegerBuffer& from = buffer("from", step.from);
    const IntegerBuffer& to = buffer("to", step.to);
    apart(step.from, step.to);
    equal("the width of its output", to.width, from.width);
    within("rows", step.rows, 1, std::min(from.rows, to.rows));
    reads(step.from, 0, step.rows);
    writes(step.to, 0, step.rows);
  }

  void check_step(const PatchStep& step) {
    const IntegerBuffer& to = buffer("to", step.to);
    equal("height", step.height, program_.preprocessing.height);
    equal("width", step.width, program_.preprocessing.width);
    within("patch_height", step.patch_height, 1, step.height);
    within("patch_width", step.patch_width, 1, step.width);
    equal("the rows of its output", to.rows,
          (step.height / step.patch_height) * (step.width / step.patch_width));
    equal("the width of its output", to.width, 3 * step.patch_height * step.patch_width);
    writes(step.to, 0, to.rows);
  }

  void check_step(const FillStep& step) {
    const IntegerBuffer& to = buffer("to", step.to);
    const int bits = tensor("tensor", step.tensor).bits;
    tensor("tensor", step.tensor, std::min(bits, to.bits), {to.rows, to.width});
    writes(step.to, 0, to.rows);
  }

  void check_step(const LinearStep& step) {
    const IntegerBuffer& from = of_bits("from", buffer("from", step.from), 16);
    const IntegerBuffer& to = buffer("to", step.to);
    apart(step.from, step.to);
    tensor("weight", step.weight, 8, {to.width, from.width});
    tensor("bias", step.bias, 32, {to.width});
    tensor("multiplier", step.multiplier, 32, {to.width});
    const IntegerTensor& shift = tensor("shift", step.shift, 8, {to.width});
    for (const int8_t each : shift.values8) within("a shift", each, 0, 62);
    within("rows", step.rows, 1, std::min(from.rows, to.rows));
    within("first_row", step.first_row, 0, to.rows - step.rows);
    reads(step.from, 0, step.rows);
    if (step.adds) reads(step.to, step.first_row, step.rows);
    writes(step.to, step.first_row, step.rows);
  }

  void check_step(const ScaleStep& step) {
    row_by_row(step);
    curve("g", step.g);
    within("shift", step.shift, 0, 62);
    const int most = buffer("from", step.from).bits - 1;
    within("r_cut", step.r_cut, 0, most);
    within("x_cut", step.x_cut, 0, most);
  }

  void check_step(const CurveStep& step) {
    row_by_row(step);
    curve("f", step.f);
  }

  void check_step(const NormStep& step) {
    row_by_row(step);
    within("eps", step.eps, 1, INT64_MAX);
    within("variance_shift", step.variance_shift, 0, 16);
    equal("what variance_shift leaves divided by 2", step.variance_shift % 2, 0);
    rescale(step.rescale);
  }

  void check_step(const FirstSpreadStep& step) {
    const IntegerBuffer& from = buffer("from", step.from);
    const IntegerBuffer& to = buffer("to", step.to);
    apart(step.from, step.to);
    equal("the rows of its output", to.rows, from.rows);
    tensor("scale", step.scale, 32, {from.width});
    tensor("number", step.number, 32, {from.rows});
    within("number_shift", step.number_shift, 0, 62);
    fraction_curve("log2", step.log2);
    rescale(step.rescale);
    reads(step.from, 0, from.rows);
    reads(step.to, 0, to.rows);
  }

  void check_step(const AttentionStep& step) {
    const IntegerBuffer& from = of_bits("from", buffer("from", step.from), 8);
    const IntegerBuffer& to = buffer("to", step.to);
    apart(step.from, step.to);
    equal("the rows of its output", to.rows, from.rows);
    equal("the width of its input", from.width, 3 * to.width);
    within("heads", step.heads, 1, to.width);
    equal("what heads leave of the width", to.width % step.heads, 0);
    if (step.exp_bits != 8 && step.exp_bits != 15) {
      fail(fmt::format("exp_bits is {}, expected 8 or 15", step.exp_bits));
    }
    const IntegerTensor& exp = curve("exp", step.exp);
    knots_within("exp", step.exp, exp, 0, ((int64_t{1} << step.exp_bits) - 1) << step.exp.fraction);
    within("exp at 0", value_at(step.exp, exp, 0), 1, INT32_MAX);
    knots_within("reciprocal", step.reciprocal, fraction_curve("reciprocal", step.reciprocal), 0,
                 int64_t{65535} << step.reciprocal.fraction);
    rescale(step.rescale);
    reads(step.from, 0, from.rows);
    writes(step.to, 0, to.rows);
  }

  void check_logits() {
    where_.clear();
    const IntegerBuffer& logits = buffer("logits", program_.logits);
    where_ = fmt::format("logits, buffer {}", in_quotes(logits.name));
    equal("bits", logits.bits, 32);
    equal("rows", logits.rows, 1);
    reads(program_.logits, 0, 1);
    if (!program_.class_names.empty()) {
      equal("the number of class names", static_cast<int64_t>(program_.class_names.size()), logits.width);
    }
    where_.clear();
  }

  void check_names() {
    for (const std::string& site : program_.sites) {
      const bool placed = std::any_of(program_.steps.begin(), program_.steps.end(),
                                      [&](const PlacedStep& step) { return step.place == site; });
      if (!placed) fail(fmt::format("site {} is the place of no step, expected one", in_quotes(site)));
    }
    for (const auto& [name, each] : program_.tensors) {
      if (!used_.contains(name))
        fail(fmt::format("tensor {} is read by no step, expected one", in_quotes(name)));
    }
  }

  const IntegerProgram& program_;
  std::string where_;
  std::vector<std::vector<bool>> written_;  ///< the rows of each buffer
  std::set<std::string> used_;              ///< names of tensors
};

}  // namespace

void check(const IntegerProgram& program) {
  Checker(program).check_all();
}

}  // namespace normgraft
