#include "normgraft/integer/interpreter.h"

#include <fmt/format.h>

#include "normgraft/core/error.h"
#include "normgraft/integer/arithmetic.h"

namespace normgraft {
namespace {

/// The sum of a[i] * b[i]. It is proved to fit 32 bits in any order of its additions.
int32_t inner_product(const int16_t* a, const int16_t* b, int64_t length) {
  int32_t sum = 0;
  for (int64_t i = 0; i < length; ++i) sum += a[i] * b[i];
  return sum;
}

class Interpreter {
 public:
  Interpreter(const IntegerProgram& program, std::span<const int8_t> picture)
      : program_(program), picture_(picture), codes_(program.buffers.size()) {
    for (size_t i = 0; i < codes_.size(); ++i) {
      codes_[i].resize(static_cast<size_t>(program.buffers[i].rows * program.buffers[i].width));
    }
  }

  std::vector<int32_t> run() {
    for (const PlacedStep& placed : program_.steps) {
      std::visit([this](const auto& step) { run(step); }, placed.step);
    }
    return codes_[index(program_.logits)];
  }

 private:
  static size_t index(BufferIndex buffer) { return static_cast<size_t>(buffer); }
  const IntegerBuffer& buffer(BufferIndex i) const { return program_.buffers[index(i)]; }
  const IntegerTensor& tensor(const std::string& name) const { return program_.tensors.at(name); }
  int64_t value(const Curve& curve, int64_t q) const { return value_at(curve, tensor(curve.knots), q); }

  int64_t get(BufferIndex i, int64_t row, int64_t column) const {
    return codes_[index(i)][static_cast<size_t>(row * buffer(i).width + column)];
  }
  /// Clamped to what the buffer can hold.
  void set(BufferIndex i, int64_t row, int64_t column, int64_t v) {
    const auto code = static_cast<int32_t>(clamp_to_bits(v, buffer(i).bits));
    codes_[index(i)][static_cast<size_t>(row * buffer(i).width + column)] = code;
  }

  /// All codes of a buffer of at most 16 bits, so that the compiler can multiply several at once.
  std::vector<int16_t> narrow(BufferIndex i) const {
    return {codes_[index(i)].begin(), codes_[index(i)].end()};
  }

  void run(const PatchStep& step) {
    const int64_t across = step.width / step.patch_width;
    const int64_t pixels = step.patch_height * step.patch_width;
    for (int64_t n = 0; n < buffer(step.to).rows; ++n) {
      for (int64_t i = 0; i < 3 * pixels; ++i) {
        const int64_t colour = i / pixels;
        const int64_t y = n / across * step.patch_height + i % pixels / step.patch_width;
        const int64_t x = n % across * step.patch_width + i % step.patch_width;
        set(step.to, n, i, picture_[static_cast<size_t>((colour * step.height + y) * step.width + x)]);
      }
    }
  }

  void run(const FillStep& step) {
    const IntegerBuffer& to = buffer(step.to);
    const IntegerTensor& values = tensor(step.tensor);
    for (int64_t n = 0; n < to.rows; ++n) {
      for (int64_t c = 0; c < to.width; ++c) set(step.to, n, c, values.at(n * to.width + c));
    }
  }

  void run(const LinearStep& step) {
    const int64_t in = buffer(step.from).width, out = buffer(step.to).width;
    const std::vector<int16_t> from = narrow(step.from);
    const std::vector<int8_t>& codes = tensor(step.weight).values8;
    const std::vector<int16_t> weight(codes.begin(), codes.end());
    const IntegerTensor &bias = tensor(step.bias), &multiplier = tensor(step.multiplier),
                        &shift = tensor(step.shift);
    for (int64_t n = 0; n < step.rows; ++n) {
      for (int64_t o = 0; o < out; ++o) {
        const int64_t sum =
            inner_product(&weight[static_cast<size_t>(o * in)], &from[static_cast<size_t>(n * in)], in) +
            bias.at(o);
        const int64_t v = round_shift(sum * multiplier.at(o), static_cast<int>(shift.at(o))) + step.zero;
        const int64_t row = n + step.first_row;
        set(step.to, row, o, step.adds ? get(step.to, row, o) + v : v);
      }
    }
  }

  void run(const ScaleStep& step) {
    for (int64_t n = 0; n < step.rows; ++n) {
      const int64_t g = value(step.g, get(step.from, n, 0) >> step.r_cut);
      set(step.to, n, 0, 0);
      for (int64_t c = 1; c < buffer(step.to).width; ++c) {
        const int64_t y = without_lower_bits(get(step.from, n, c), step.x_cut) * g;
        set(step.to, n, c, step.floors ? y >> step.shift : round_shift(y, step.shift));
      }
    }
  }

  void run(const CurveStep& step) {
    for (int64_t n = 0; n < step.rows; ++n) {
      for (int64_t c = 0; c < buffer(step.to).width; ++c) {
        set(step.to, n, c, value(step.f, get(step.from, n, c)));
      }
    }
  }

  void run(const NormStep& step) {
    const int64_t channels = buffer(step.from).width;
    std::vector<int64_t> centred(static_cast<size_t>(channels));
    for (int64_t n = 0; n < step.rows; ++n) {
      int64_t sum = 0;
      for (int64_t c = 0; c < channels; ++c) sum += get(step.from, n, c);
      int64_t squares = step.eps;
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t m = channels * get(step.from, n, c) - sum;
        centred[static_cast<size_t>(c)] = m;
        squares += (m * m) >> step.variance_shift;
      }
      const int64_t reciprocal = (int64_t{1} << 46) / whole_root(squares);
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t y =
            round_shift(centred[static_cast<size_t>(c)] * reciprocal, 26 + step.variance_shift / 2);
        set(step.to, n, c, apply(step.rescale, y));
      }
    }
  }

  void run(const FirstSpreadStep& step) {
    const IntegerTensor &scale = tensor(step.scale), &number = tensor(step.number);
    for (int64_t n = 0; n < buffer(step.from).rows; ++n) {
      int64_t sum = number.at(n) * (int64_t{1} << step.number_shift);
      for (int64_t k = 0; k < buffer(step.from).width; ++k) {
        const int64_t p = get(step.from, n, k);
        sum += scale.at(k) * (p * p);
      }
      sum = std::max(sum, int64_t{1});
      const int64_t whole = leading_one(sum);
      const int64_t log2 = whole * 65536 + value(step.log2, fraction_behind_leading_one(sum));
      set(step.to, n, 0, apply(step.rescale, log2) + step.zero);
    }
  }

  void run(const AttentionStep& step) {
    const int64_t rows = buffer(step.from).rows, stride = buffer(step.from).width;
    const int64_t width = stride / 3, per_head = width / step.heads;
    const std::vector<int16_t> qkv = narrow(step.from);
    std::vector<int32_t> scores(static_cast<size_t>(rows));
    std::vector<int32_t> values(static_cast<size_t>(per_head));
    for (int64_t head = 0; head < step.heads; ++head) {
      for (int64_t n = 0; n < rows; ++n) {
        const int16_t* query = &qkv[static_cast<size_t>(n * stride + head * per_head)];
        for (int64_t j = 0; j < rows; ++j) {
          const int16_t* key = &qkv[static_cast<size_t>(j * stride + width + head * per_head)];
          scores[static_cast<size_t>(j)] = inner_product(query, key, per_head);
        }
        const int64_t largest = *std::max_element(scores.begin(), scores.end());
        int64_t total = 0;
        std::fill(values.begin(), values.end(), 0);
        for (int64_t j = 0; j < rows; ++j) {
          const auto e = static_cast<int16_t>(value(step.exp, largest - scores[static_cast<size_t>(j)]));
          const int16_t* v = &qkv[static_cast<size_t>(j * stride + 2 * width + head * per_head)];
          total += e;
          for (int64_t c = 0; c < per_head; ++c) values[static_cast<size_t>(c)] += e * v[c];
        }
        const int64_t reciprocal = value(step.reciprocal, fraction_behind_leading_one(total));
        for (int64_t c = 0; c < per_head; ++c) {
          const int64_t a = values[static_cast<size_t>(c)];
          set(step.to, n, head * per_head + c,
              apply(step.rescale, round_shift(a * reciprocal, leading_one(total))));
        }
      }
    }
  }

  const IntegerProgram& program_;
  std::span<const int8_t> picture_;
  std::vector<std::vector<int32_t>> codes_;  ///< of each buffer
};

}  // namespace

std::vector<int32_t> interpret(const IntegerProgram& program, std::span<const int8_t> picture) {
  const Preprocessing& size = program.preprocessing;
  const int64_t expected = int64_t{3} * size.height * size.width;
  if (static_cast<int64_t>(picture.size()) != expected) {
    throw InputError(
        fmt::format("picture: {} codes, expected 3 x {} x {}", picture.size(), size.height, size.width));
  }
  return Interpreter(program, picture).run();
}

}  // namespace normgraft
