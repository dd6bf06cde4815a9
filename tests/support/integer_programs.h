#pragma once

#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "normgraft/core/random.h"
#include "normgraft/integer/arithmetic.h"
#include "normgraft/integer/program.h"

namespace normgraft::testing {

/// The size of a network of integers like a Vision Transformer.
struct IntegerShape {
  int64_t height = 13, width = 10, patch_height = 4, patch_width = 3;  ///< a rest is left on both sides
  int64_t channels = 12, heads = 2, hidden = 20, depth = 3, classes = 5;
  int64_t projections = 3;  ///< that tell the first r
  int site = -1;            ///< all norm sites are ScaleSteps (0), CurveSteps (1), NormSteps (2) or any (-1)
  int bits = 0;             ///< of what norm sites, attention and fc1 write; 0: any

  int64_t patches() const { return (height / patch_height) * (width / patch_width); }
};

/// One that takes about as long as DeiT-Tiny: 12 blocks of 192 channels, 197 tokens.
inline IntegerShape shape_of_deit_tiny() {
  return {.height = 224,
          .width = 224,
          .patch_height = 16,
          .patch_width = 16,
          .channels = 192,
          .heads = 3,
          .hidden = 768,
          .depth = 12,
          .classes = 1000,
          .projections = 4,
          .site = -1,
          .bits = 0};
}

inline IntegerShape random_integer_shape(Random& random) {
  const auto from_to = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random.below(static_cast<uint64_t>(high - low + 1)));
  };
  IntegerShape shape;
  shape.patch_height = from_to(1, 4);
  shape.patch_width = from_to(1, 4);
  shape.height = shape.patch_height * from_to(1, 4) + from_to(0, shape.patch_height - 1);
  shape.width = shape.patch_width * from_to(1, 4) + from_to(0, shape.patch_width - 1);
  shape.heads = from_to(1, 3);
  shape.channels = shape.heads * from_to(2, 8);
  shape.hidden = from_to(1, 40);
  shape.depth = from_to(1, 3);
  shape.classes = from_to(1, 6);
  shape.projections = from_to(1, 4);
  return shape;
}

/// Builds random programs: valid, proved, of every kind of step, their numbers mostly within what holds them.
class IntegerProgramMaker {
 public:
  IntegerProgramMaker(const IntegerShape& shape, Random& random)
      : shape_(shape), random_(random), kind_(random.below(3)) {}

  IntegerProgram make() {
    program_.architecture = "random_vit";
    program_.preprocessing.height = static_cast<int>(shape_.height);
    program_.preprocessing.width = static_cast<int>(shape_.width);
    for (int64_t c = 0; c < shape_.classes; ++c) program_.class_names.push_back(fmt::format("class {}", c));
    add_embedding();
    for (int64_t i = 0; i < shape_.depth; ++i) add_block(i);
    const BufferIndex last = buffer("last", 1, shape_.channels, 8);
    add_site("norm", stream_, last, 1);
    program_.logits = buffer("logits", 1, shape_.classes, 32);
    add_linear("head", last, program_.logits, {.rows = 1});
    program_.origin = {{"made", "at random"}};
    return program_;
  }

 private:
  int64_t from_to(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_.below(static_cast<uint64_t>(high - low + 1)));
  }
  bool one_in(uint64_t n) { return random_.below(n) == 0; }
  int any_bits() { return shape_.bits > 0 ? shape_.bits : one_in(2) ? 16 : 8; }

  BufferIndex buffer(const std::string& name, int64_t rows, int64_t width, int bits) {
    program_.buffers.push_back({name, rows, width, bits, random_.uniform(0.01, 1), 0, from_to(-5, 5), 0});
    return static_cast<BufferIndex>(program_.buffers.size() - 1);
  }
  const IntegerBuffer& at(BufferIndex i) const { return program_.buffers[static_cast<size_t>(i)]; }

  template <typename Values>
  std::string tensor(const std::string& name, std::vector<int64_t> shape, int bits, const Values& value) {
    IntegerTensor made{.shape = std::move(shape), .bits = bits};
    for (int64_t i = 0; i < made.size(); ++i) {
      const int64_t v = clamp_to_bits(value(i), bits);
      if (bits == 8) made.values8.push_back(static_cast<int8_t>(v));
      if (bits == 16) made.values16.push_back(static_cast<int16_t>(v));
      if (bits == 32) made.values32.push_back(static_cast<int32_t>(v));
    }
    program_.tensors[name] = std::move(made);
    return name;
  }

  /// A factor as multiplier and shift, the multiplier of any length.
  Rescale rescale(double factor) {
    const int64_t bits = from_to(12, 30);
    const int shift = std::clamp(static_cast<int>(bits) - std::ilogb(factor), 0, 62);
    return {static_cast<int32_t>(std::lround(std::min(std::ldexp(factor, shift), 2147483647.0))), shift};
  }

  /// The usual size of a code.
  static double usual(int bits) { return std::ldexp(1.0, bits - 3); }

  void add(const std::string& place, IntegerStep step) { program_.steps.push_back({place, std::move(step)}); }

  void add_linear(const std::string& place, BufferIndex from, BufferIndex to, LinearStep step) {
    const int64_t in = at(from).width, out = at(to).width, largest = from_to(1, 128);
    const double sum =
        std::sqrt(static_cast<double>(in) / 3) * static_cast<double>(largest) * usual(at(from).bits);
    const double wanted = at(to).bits == 32 ? 1e6 : usual(at(to).bits) / (step.adds ? 2 : 1);
    std::vector<Rescale> rescales;
    for (int64_t o = 0; o < out; ++o) {
      rescales.push_back(rescale(wanted / sum * random_.uniform(0.3, 1.5)));
      if (one_in(8)) rescales.back().multiplier = -rescales.back().multiplier;
      if (one_in(16)) rescales.back() = {static_cast<int32_t>(from_to(-2, 2)), 0};
    }
    step.from = from;
    step.to = to;
    step.weight =
        tensor(place + ".weight", {out, in}, 8, [&](int64_t) { return from_to(-largest, largest); });
    step.bias = tensor(place + ".bias", {out}, 32, [&](int64_t) { return from_to(-200, 200) * largest; });
    step.multiplier = tensor(place + ".multiplier", {out}, 32,
                             [&](int64_t o) { return rescales[static_cast<size_t>(o)].multiplier; });
    step.shift =
        tensor(place + ".shift", {out}, 8, [&](int64_t o) { return rescales[static_cast<size_t>(o)].shift; });
    step.zero = static_cast<int32_t>(from_to(-10, 10));
    add(place, step);
  }

  /// Over somewhat more or less than what a buffer can hold; values of any sign, of `size` usually.
  Curve curve(const std::string& name, int of_bits, double size, int value_bits) {
    Curve made;
    made.shift = static_cast<int>(from_to(0, 3)) + (of_bits == 8 ? 2 : std::max(0, of_bits - 7));
    const int64_t span = int64_t{1} << of_bits, slip = std::min<int64_t>(20, span / 4);
    const int64_t intervals = std::max<int64_t>(1, (span >> made.shift) + from_to(-4, 2));
    made.low = static_cast<int32_t>(-span / 2 + from_to(-slip, slip));
    if (value_bits == 32) made.fraction = static_cast<int>(from_to(0, 6));
    const double most = std::ldexp(2 * size, made.fraction);
    made.knots = tensor(name, {intervals + 1}, value_bits,
                        [&](int64_t) { return static_cast<int64_t>(random_.uniform(-most, most)); });
    return made;
  }

  /// Over the 16 bits behind a leading one.
  template <typename Function>
  Curve fraction_curve(const std::string& name, const Function& value) {
    Curve made;
    made.shift = static_cast<int>(from_to(8, 14));
    made.fraction = static_cast<int>(from_to(0, 4));
    made.knots = tensor(name, {(65536 >> made.shift) + 1}, 32, [&](int64_t i) {
      return std::llround(
          std::ldexp(value(1 + static_cast<double>(i << made.shift) / 65536.0), made.fraction));
    });
    return made;
  }

  void add_site(const std::string& place, BufferIndex from, BufferIndex to, int64_t rows) {
    program_.sites.push_back(place);
    const int in = at(from).bits, out = at(to).bits;
    switch (shape_.site >= 0 ? static_cast<uint64_t>(shape_.site) : kind_++ % 3) {
      case 0: {
        const int shift = static_cast<int>(from_to(16, 24));
        const double g = usual(out) / usual(in) * std::ldexp(1.0, shift);
        ScaleStep step{from, to, {}, shift, rows};
        if (one_in(2)) {
          step.r_cut = static_cast<int>(from_to(0, in - 4));
          step.x_cut = static_cast<int>(from_to(0, 4));
          step.floors = one_in(2);
        }
        step.g = curve(place + ".g", in - step.r_cut, g, 32);
        return add(place, step);
      }
      case 1:
        return add(place, CurveStep{from, to, curve(place + ".f", in, usual(out), out == 8 ? 16 : 32), rows});
      default: {
        const double y = std::ldexp(1.0, 20) / std::sqrt(static_cast<double>(at(from).width));
        return add(place, NormStep{from, to, from_to(1, 1000), 2 * static_cast<int>(from_to(0, 3)),
                                   rescale(usual(out) / y), rows});
      }
    }
  }

  void add_embedding() {
    const int64_t rows = shape_.patches() + 1, channels = shape_.channels;
    const BufferIndex patches =
        buffer("patches", rows - 1, 3 * shape_.patch_height * shape_.patch_width, one_in(3) ? 16 : 8);
    stream_ = buffer("stream", rows, channels, 16);
    add("patch_embed",
        PatchStep{patches, shape_.height, shape_.width, shape_.patch_height, shape_.patch_width});
    add("pos_embed", FillStep{stream_, tensor("pos_embed", {rows, channels}, 16,
                                              [&](int64_t) { return from_to(-3000, 3000); })});
    add_linear("patch_embed.proj", patches, stream_, {.adds = true, .rows = rows - 1, .first_row = 1});
    const BufferIndex projected = buffer("projected", rows, shape_.projections, 16);
    add_linear("first.projections", stream_, projected, {.rows = rows});
    FirstSpreadStep first{.from = projected, .to = stream_};
    first.scale =
        tensor("first.scale", {shape_.projections}, 32, [&](int64_t) { return from_to(-1000, 100000); });
    first.number = tensor("first.number", {rows}, 32, [&](int64_t) { return from_to(-100000, 1000000); });
    first.number_shift = static_cast<int>(from_to(0, 20));
    first.log2 = fraction_curve("first.log2", [](double m) { return 65536 * std::log2(m); });
    first.rescale = rescale(1.0 / 256);
    first.zero = static_cast<int32_t>(from_to(-10000, 0));
    add("first", first);
  }

  void add_block(int64_t i) {
    const auto name = [&](const char* part) { return fmt::format("blocks.{}.{}", i, part); };
    const int64_t rows = shape_.patches() + 1, channels = shape_.channels;
    const BufferIndex y = buffer(name("y"), rows, channels, any_bits());
    const BufferIndex qkv = buffer(name("qkv"), rows, 3 * channels, 8);
    const BufferIndex mixed = buffer(name("mixed"), rows, channels, any_bits());
    const BufferIndex wide = buffer(name("wide"), rows, shape_.hidden, any_bits());
    const BufferIndex active = buffer(name("active"), rows, shape_.hidden, 8);
    add_site(name("norm1"), stream_, y, rows);
    add_linear(name("attn.qkv"), y, qkv, {.rows = rows});
    add_attention(name("attn"), qkv, mixed);
    add_linear(name("attn.proj"), mixed, stream_, {.adds = true, .rows = rows});
    add_site(name("norm2"), stream_, y, rows);
    add_linear(name("mlp.fc1"), y, wide, {.rows = rows});
    add(name("mlp.act"), CurveStep{wide, active, curve(name("mlp.act"), at(wide).bits, usual(8), 16), rows});
    add_linear(name("mlp.fc2"), active, stream_, {.adds = true, .rows = rows});
  }

  void add_attention(const std::string& place, BufferIndex from, BufferIndex to) {
    AttentionStep step{.from = from, .to = to, .heads = shape_.heads};
    step.exp_bits = one_in(2) ? 8 : 15;
    step.exp.fraction = step.exp_bits == 8 ? static_cast<int>(from_to(0, 6)) : 0;
    const double most = std::ldexp(std::ldexp(1.0, step.exp_bits) - 1, step.exp.fraction);
    step.exp.shift = static_cast<int>(from_to(6, 10));
    const int64_t intervals = from_to(4, 30);
    step.exp.knots = tensor(place + ".exp", {intervals + 1}, 16, [&](int64_t k) {
      const double falling = most * std::exp(-6.0 * static_cast<double>(k) / static_cast<double>(intervals));
      return static_cast<int64_t>(falling);
    });
    step.reciprocal = fraction_curve(place + ".reciprocal", [](double m) { return 32768 / m; });
    step.rescale = rescale(usual(at(to).bits) / usual(8) / 32768);
    add(place, step);
  }

  IntegerShape shape_;
  Random& random_;
  IntegerProgram program_;
  BufferIndex stream_ = 0;
  uint64_t kind_;  ///< of the next norm site
};

/// A random program of that shape: checked and proved.
inline IntegerProgram random_integer_program(const IntegerShape& shape, Random& random) {
  return IntegerProgramMaker(shape, random).make();
}

/// A small one of random shape.
inline IntegerProgram random_integer_program(Random& random) {
  const IntegerShape shape = random_integer_shape(random);
  return random_integer_program(shape, random);
}

/// Codes pixel - 128 of a picture for the program.
inline std::vector<int8_t> random_codes(const IntegerProgram& program, Random& random) {
  std::vector<int8_t> codes(size_t{3} * static_cast<size_t>(program.preprocessing.height) *
                            static_cast<size_t>(program.preprocessing.width));
  for (int8_t& code : codes) code = static_cast<int8_t>(static_cast<int64_t>(random.below(256)) - 128);
  return codes;
}

}  // namespace normgraft::testing
