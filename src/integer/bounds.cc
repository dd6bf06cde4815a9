#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "normgraft/core/error.h"
#include "normgraft/integer/arithmetic.h"
#include "sums.h"

namespace normgraft {
namespace {

/// Wide enough for the bound of a sum that does not fit 64 bits.
__extension__ using Wide = __int128;

/// One kind of sum of a step: the row whose bound is the largest.
struct Sum {
  const char* name;
  int bits;
  int64_t row = 0;
  Wide largest = 0;

  void add(int64_t of_row, Wide bound) {
    if (bound <= largest) return;
    row = of_row;
    largest = bound;
  }
};

/// The largest magnitude of a code.
int64_t reach(const IntegerBuffer& buffer) {
  return largest_code(buffer.bits) + 1;
}

/// The sums of each kind of step.
struct Sums {
  const IntegerProgram& program;

  const IntegerBuffer& buffer(BufferIndex i) const { return program.buffers[static_cast<size_t>(i)]; }
  const IntegerTensor& tensor(const std::string& name) const { return program.tensors.at(name); }

  std::vector<Sum> operator()(const LinearStep& step) const {
    Sum output{"output", 32};
    const IntegerTensor &weight = tensor(step.weight), &bias = tensor(step.bias);
    const int64_t in = buffer(step.from).width, out = buffer(step.to).width;
    for (int64_t o = 0; o < out; ++o) {
      int64_t weights = 0;
      for (int64_t i = 0; i < in; ++i)
        weights += std::abs(int64_t{weight.values8[static_cast<size_t>(o * in + i)]});
      output.add(o, Wide{weights} * reach(buffer(step.from)) + std::abs(bias.at(o)));
    }
    return {output};
  }

  std::vector<Sum> operator()(const NormStep& step) const {
    const Wide channels = buffer(step.from).width;
    const Wide span = 2 * reach(buffer(step.from)) - 1;
    Sum squares{"squares", 64};
    const Wide most_centred = (channels - 1) * span;
    const Wide square = most_centred * most_centred;
    squares.add(0, square);
    // Beyond 64 bits already, the sum might not fit the 128 here.
    if (square <= INT64_MAX) squares.add(0, channels * (square >> step.variance_shift) + step.eps);
    return {squares};
  }

  std::vector<Sum> operator()(const FirstSpreadStep& step) const {
    Sum squares{"squares", 64};
    const Wide p = reach(buffer(step.from));
    Wide projections = 0;
    for (int64_t k = 0; k < buffer(step.from).width; ++k) {
      projections += std::abs(tensor(step.scale).at(k)) * p * p;
    }
    for (int64_t n = 0; n < buffer(step.from).rows; ++n) {
      const Wide number = std::abs(tensor(step.number).at(n));
      squares.add(n, (number << step.number_shift) + projections);
    }
    return {squares};
  }

  std::vector<Sum> operator()(const AttentionStep& step) const {
    const IntegerBuffer& from = buffer(step.from);
    const Wide code = reach(from), per_head = buffer(step.to).width / step.heads;
    const IntegerTensor& knots = tensor(step.exp.knots);
    Wide exponential = 0;
    for (int64_t i = 0; i < knots.size(); ++i) {
      exponential = std::max(exponential, Wide{round_shift(knots.at(i), step.exp.fraction)});
    }
    return {{"scores", 32, 0, 2 * per_head * code * code},
            {"exponentials", 32, 0, from.rows * exponential},
            {"values", 32, 0, from.rows * exponential * code}};
  }

  template <typename Other>
  std::vector<Sum> operator()(const Other&) const {
    return {};
  }
};

}  // namespace

std::string in_quotes(const std::string& name) {
  return Json(name).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string where(const IntegerProgram& program, size_t step) {
  return fmt::format("step {}, {}", step, in_quotes(program.steps[step].place));
}

std::vector<AccumulatorBound> bounds_of(const IntegerProgram& program, size_t step, int bits) {
  std::vector<AccumulatorBound> bounds;
  for (const Sum& sum : std::visit(Sums{program}, program.steps[step].step)) {
    if (sum.bits != bits) continue;
    const int64_t limit = bits == 32 ? INT32_MAX : INT64_MAX;
    if (sum.largest > limit) {
      throw InputError(fmt::format(
          "integer program: {}: row {} of its {} can reach {}, expected at most {}, the largest of {} bits",
          where(program, step), sum.row, sum.name, sum.largest, limit, bits));
    }
    bounds.push_back({program.steps[step].place, sum.name, bits, sum.row, static_cast<int64_t>(sum.largest)});
  }
  return bounds;
}

std::vector<AccumulatorBound> prove_no_overflow(const IntegerProgram& program) {
  std::vector<AccumulatorBound> all;
  for (size_t i = 0; i < program.steps.size(); ++i) {
    for (const int bits : {32, 64}) {
      for (AccumulatorBound& bound : bounds_of(program, i, bits)) all.push_back(std::move(bound));
    }
  }
  return all;
}

}  // namespace normgraft
