#include "normgraft/integer/engine.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "hwy/targets.h"
#include "normgraft/core/error.h"
#include "normgraft/integer/interpreter.h"
#include "support/input_error.h"
#include "support/integer_programs.h"

namespace normgraft {
namespace {

using testing::random_codes;
using testing::random_integer_program;

/// For each SIMD target of this machine, with products of bytes and without.
template <typename Use>
void on_each_target(const Use& use) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    for (const bool bytes : {true, false}) {
      SCOPED_TRACE(fmt::format("{}, products of bytes: {}", hwy::TargetName(target), bytes));
      use(EngineOptions{.byte_products = bytes});
    }
  }
  hwy::SetSupportedTargetsForTest(0);
}

std::vector<int32_t> interpret_all(const IntegerProgram& program, const std::vector<int8_t>& pictures) {
  const size_t codes = size_t{3} * static_cast<size_t>(program.preprocessing.height) *
                       static_cast<size_t>(program.preprocessing.width);
  std::vector<int32_t> logits;
  for (size_t i = 0; i < pictures.size(); i += codes) {
    const std::vector<int32_t> one = interpret(program, std::span(pictures).subspan(i, codes));
    logits.insert(logits.end(), one.begin(), one.end());
  }
  return logits;
}

std::vector<int8_t> random_pictures(const IntegerProgram& program, size_t batch, Random& random) {
  std::vector<int8_t> pictures;
  for (size_t i = 0; i < batch; ++i) {
    const std::vector<int8_t> one = random_codes(program, random);
    pictures.insert(pictures.end(), one.begin(), one.end());
  }
  return pictures;
}

void expect_agrees(const IntegerProgram& program, const std::vector<int8_t>& pictures) {
  const std::vector<int32_t> expected = interpret_all(program, pictures);
  on_each_target([&](const EngineOptions& options) {
    EXPECT_EQ(IntegerEngine(program, options).run(pictures), expected);
  });
}

TEST(IntegerEngine, ComputesWhatTheInterpreterDoesOnEveryTarget) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random({seed});
    const IntegerProgram program = random_integer_program(random);
    expect_agrees(program, random_pictures(program, 1, random));
    if (HasFailure()) return;
  }
}

TEST(IntegerEngine, ComputesTheSameForAnyNumberOfThreadsAndPictures) {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    SCOPED_TRACE(seed);
    Random random({seed, 1});
    testing::IntegerShape shape;
    shape.height = shape.width = 33;
    const IntegerProgram program = random_integer_program(shape, random);
    const IntegerEngine engine(program);
    for (const size_t batch : {1, 5}) {
      const std::vector<int8_t> pictures = random_pictures(program, batch, random);
      const std::vector<int32_t> expected = interpret_all(program, pictures);
      for (const int threads : {1, 2, 4}) EXPECT_EQ(engine.run(pictures, threads), expected) << threads;
    }
  }
}

TEST(IntegerEngine, ComputesPicturesOfExtremeCodes) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    Random random({seed, 2});
    const IntegerProgram program = random_integer_program(random);
    std::vector<int8_t> pictures = random_codes(program, random);
    const size_t codes = pictures.size();
    pictures.insert(pictures.end(), codes, int8_t{-128});
    pictures.insert(pictures.end(), codes, int8_t{127});
    for (size_t i = 0; i < codes; ++i) pictures.push_back(random.below(2) == 0 ? -128 : 127);
    expect_agrees(program, pictures);
  }
}

TEST(IntegerEngine, ComputesPanelsThatAreFullAndPanelsThatAreNot) {
  for (const int64_t width : {15, 16, 17, 63, 64, 65, 80, 130}) {
    SCOPED_TRACE(width);
    Random random({static_cast<uint64_t>(width), 3});
    testing::IntegerShape shape;
    shape.depth = 1;
    shape.hidden = width;
    shape.classes = width + 1;
    shape.heads = 2;
    shape.channels = 2 * width;
    const IntegerProgram program = random_integer_program(shape, random);
    expect_agrees(program, random_pictures(program, 1, random));
  }
}

/// Builds programs of a few steps: one row of codes, filled in, to the logits.
struct Maker {
  explicit Maker(int64_t side = 1) {
    program.architecture = "test";
    program.preprocessing.height = program.preprocessing.width = static_cast<int>(side);
  }

  BufferIndex buffer(int64_t rows, int64_t width, int bits) {
    program.buffers.push_back({fmt::format("buffer {}", program.buffers.size()), rows, width, bits, 1, 0, 0, 0});
    return static_cast<BufferIndex>(program.buffers.size() - 1);
  }

  std::string tensor(std::vector<int64_t> shape, int bits, const std::vector<int64_t>& values) {
    IntegerTensor made{.shape = std::move(shape), .bits = bits};
    for (const int64_t v : values) {
      if (bits == 8) made.values8.push_back(static_cast<int8_t>(v));
      if (bits == 16) made.values16.push_back(static_cast<int16_t>(v));
      if (bits == 32) made.values32.push_back(static_cast<int32_t>(v));
    }
    const std::string name = fmt::format("tensor {}", program.tensors.size());
    program.tensors[name] = std::move(made);
    return name;
  }

  void add(IntegerStep step) { program.steps.push_back({fmt::format("{}", program.steps.size()), std::move(step)}); }

  BufferIndex fill(int64_t rows, int bits, const std::vector<int64_t>& values) {
    const auto width = static_cast<int64_t>(values.size()) / rows;
    const BufferIndex made = buffer(rows, width, bits);
    add(FillStep{made, tensor({rows, width}, bits, values)});
    return made;
  }

  /// Every output o has all its weights weight(o), and a unit of its own.
  template <typename Weight, typename Unit>
  void linear(BufferIndex from, BufferIndex to, const Weight& weight, const Unit& unit, LinearStep step = {}) {
    const int64_t in = at(from).width, out = at(to).width;
    std::vector<int64_t> weights, bias, multiplier, shift;
    for (int64_t o = 0; o < out; ++o) {
      weights.insert(weights.end(), static_cast<size_t>(in), weight(o));
      bias.push_back(o - out / 2);
      multiplier.push_back(unit(o).multiplier);
      shift.push_back(unit(o).shift);
    }
    step.from = from;
    step.to = to;
    step.weight = tensor({out, in}, 8, weights);
    step.bias = tensor({out}, 32, bias);
    step.multiplier = tensor({out}, 32, multiplier);
    step.shift = tensor({out}, 8, shift);
    step.rows = at(from).rows;
    add(step);
  }

  /// Row 0 of `from` as logits: each code is weighed with all others in `weights`.
  IntegerProgram logits_of(BufferIndex from) {
    const BufferIndex logits = buffer(1, at(from).width, 32);
    const int64_t width = at(from).width;
    std::vector<int64_t> weights(static_cast<size_t>(width * width)), ones(static_cast<size_t>(width), 1);
    for (int64_t o = 0; o < width; ++o) weights[static_cast<size_t>(o * width + o)] = 1;
    const std::vector<int64_t> zeros(static_cast<size_t>(width));
    LinearStep step{.from = from, .to = logits};
    step.weight = tensor({width, width}, 8, weights);
    step.bias = tensor({width}, 32, zeros);
    step.multiplier = tensor({width}, 32, ones);
    step.shift = tensor({width}, 8, zeros);
    step.rows = 1;
    add(step);
    return done(logits);
  }

  IntegerProgram done(BufferIndex logits) {
    program.logits = logits;
    check(program);
    prove_no_overflow(program);
    return program;
  }

  const IntegerBuffer& at(BufferIndex i) const { return program.buffers[static_cast<size_t>(i)]; }

  IntegerProgram program;
};

std::vector<int64_t> repeated(const std::vector<int64_t>& values, size_t count) {
  std::vector<int64_t> all;
  for (size_t i = 0; i < count; ++i) all.push_back(values[i % values.size()]);
  return all;
}

TEST(IntegerEngine, SumsTheLargestProductsWithoutSaturating) {
  for (const int bits : {8, 16}) {
    const int64_t most = largest_code(bits);
    for (const std::vector<int64_t>& pattern :
         {std::vector<int64_t>{-most - 1}, {most}, {-most - 1, most}, {-most - 1, -most - 1, most}, {0, most}}) {
      Maker maker;
      const BufferIndex codes = maker.fill(1, bits, repeated(pattern, bits == 8 ? 700 : 301));
      const BufferIndex logits = maker.buffer(1, 70, 32);
      maker.linear(
          codes, logits, [](int64_t o) { return o % 3 == 0 ? -128 : o % 3 == 1 ? 127 : o; },
          [](int64_t) { return Rescale{1, 0}; });
      expect_agrees(maker.done(logits), {0, 0, 0});
    }
  }
}

TEST(IntegerEngine, ChangesUnitsOfAnyMultiplierAndShift) {
  const std::vector<int32_t> multipliers = {INT32_MIN, INT32_MAX, 1 << 30, -(1 << 30), 1, -1, 0, 123456789};
  for (const int bits : {8, 16, 32}) {
    for (const int32_t zero : {0, -7, INT32_MAX, INT32_MIN}) {
      for (const bool adds : {false, true}) {
        for (int least = 0; least <= 60; least += 5) {
          SCOPED_TRACE(fmt::format("{} bits, zero {}, adds {}, shifts from {}", bits, zero, adds, least));
          Maker maker;
          std::vector<int64_t> values;
          for (int64_t i = 0; i < 40; ++i) values.push_back(i * 6151 % 65536 - 32768);
          const BufferIndex codes = maker.fill(1, 16, values);
          std::vector<int64_t> before;
          for (int64_t i = 0; i < 24; ++i) before.push_back(clamp_to_bits(i * 7919 - 90000, bits));
          const BufferIndex to = maker.fill(1, bits, before);
          maker.linear(
              codes, to, [](int64_t o) { return o * 5 - 60; },
              [&](int64_t o) {
                return Rescale{multipliers[static_cast<size_t>(o) % 8], std::min(62, least + static_cast<int>(o / 8))};
              },
              {.zero = zero, .adds = adds});
          const IntegerProgram program = bits == 32 ? maker.done(to) : maker.logits_of(to);
          expect_agrees(program, {0, 0, 0});
          if (HasFailure()) return;
        }
      }
    }
  }
}

TEST(IntegerEngine, RoundsHalvesUp) {
  Maker maker;
  const BufferIndex codes = maker.fill(1, 8, {1});
  const BufferIndex logits = maker.buffer(1, 3, 32);
  maker.linear(
      codes, logits, [](int64_t o) { return 2 * o - 1; }, [](int64_t) { return Rescale{1 << 30, 31}; });
  const IntegerProgram program = maker.done(logits);  // sums -2, 1, 4 of weights -1, 1, 3 and biases -1, 0, 1
  on_each_target([&](const EngineOptions& options) {
    EXPECT_EQ(IntegerEngine(program, options).run(std::vector<int8_t>{0, 0, 0}),
              (std::vector<int32_t>{-1, 1, 2}));
  });
}

/// Codes of each width over all its range, in rows of `width`.
std::vector<int64_t> spread_codes(int bits, size_t count) {
  const int64_t most = largest_code(bits);
  std::vector<int64_t> values = {-most - 1, most, 0, -1, 1};
  Random random({7});
  while (values.size() < count) {
    const auto any = static_cast<int64_t>(random.below(uint64_t{2} << (bits - 1))) - most - 1;
    values.push_back(any >> (bits == 32 ? random.below(32) : 0));
  }
  return values;
}

TEST(IntegerEngine, FollowsCurvesOfAnyKnots) {
  struct Kind {
    size_t knots;
    int shift, bits;
    int32_t low;
    int64_t size;
  };
  for (const Kind& kind : {Kind{2, 0, 16, 0, 100}, Kind{2, 16, 16, -32768, 30000}, Kind{17, 4, 16, -128, 120},
                           Kind{33, 11, 16, -32768, 200}, Kind{65, 10, 16, -32768, 16000},
                           Kind{129, 9, 16, -32768, 32767}, Kind{130, 9, 32, -40000, 100000},
                           Kind{300, 8, 16, -30000, 3000}, Kind{40, 16, 32, INT32_MIN, INT32_MAX},
                           Kind{40, 16, 32, INT32_MAX, INT32_MAX}, Kind{65537, 0, 16, -32768, 1000}}) {
    for (const int from : {8, 16, 32}) {
      for (const int to : {8, 16}) {
        SCOPED_TRACE(fmt::format("{} knots, {} to {} bits", kind.knots, from, to));
        Maker maker;
        Random random({kind.knots});
        std::vector<int64_t> knots;
        for (size_t i = 0; i < kind.knots; ++i) {
          knots.push_back(static_cast<int64_t>(random.below(2 * static_cast<uint64_t>(kind.size) + 1)) - kind.size);
        }
        const auto count = static_cast<int64_t>(kind.knots);
        const BufferIndex codes = maker.fill(1, from, spread_codes(from, 300));
        const BufferIndex values = maker.buffer(1, 300, to);
        maker.add(CurveStep{codes, values, {maker.tensor({count}, kind.bits, knots), kind.low, kind.shift}, 1});
        expect_agrees(maker.logits_of(values), {0, 0, 0});
      }
    }
  }
}

TEST(IntegerEngine, ScalesByAnyFactor) {
  for (const int from : {8, 16, 32}) {
    for (const int to : {8, 16}) {
      for (const int64_t g : {1, 200, 32767, 60000, 1 << 20, INT32_MAX}) {
        for (const int shift : {0, 1, 8, 15, 16, 17, 24, 31, 33, 40, 62}) {
          SCOPED_TRACE(fmt::format("{} to {} bits, {} >> {}", from, to, g, shift));
          Maker maker;
          const BufferIndex codes = maker.fill(4, from, spread_codes(from, 4 * 21));
          const BufferIndex scaled = maker.buffer(4, 21, to);
          const Curve curve{maker.tensor({3}, 32, {-g, g, g / 2}), -1000, 10};
          maker.add(ScaleStep{codes, scaled, curve, shift, 4});
          expect_agrees(maker.logits_of(scaled), {0, 0, 0});
          if (HasFailure()) return;
        }
      }
    }
  }
}

TEST(IntegerEngine, NormalisesRowsOfAnySpread) {
  for (const int from : {8, 16}) {
    for (const int64_t spread : {0, 1, 3, 100, 32767}) {
      for (const int variance_shift : {0, 2, 16}) {
        for (const Rescale unit : {Rescale{1 << 30, 45}, Rescale{-(1 << 30), 50}, Rescale{3, 10}, Rescale{1, 0}}) {
          Maker maker;
          Random random({static_cast<uint64_t>(spread)});
          std::vector<int64_t> values;
          for (size_t i = 0; i < 37; ++i) {
            const auto any = static_cast<int64_t>(random.below(2 * static_cast<uint64_t>(spread) + 1)) - spread;
            values.push_back(clamp_to_bits(i == 0 ? spread : any, from));
          }
          const BufferIndex codes = maker.fill(1, from, values);
          const BufferIndex normalised = maker.buffer(1, 37, 16);
          maker.add(NormStep{codes, normalised, 1, variance_shift, unit, 1});
          expect_agrees(maker.logits_of(normalised), {0, 0, 0});
        }
      }
    }
  }
}

TEST(IntegerEngine, AttendsToTheLargestQueriesKeysAndValues) {
  for (const int exp_bits : {8, 15}) {
    for (const std::vector<int64_t>& pattern :
         {std::vector<int64_t>{-128}, {127}, {-128, 127, -128}, {127, -128, 3, 4, 5, 127, -128}}) {
      Maker maker;
      const int64_t rows = 29, heads = 2, width = 22;
      const BufferIndex qkv = maker.fill(rows, 8, repeated(pattern, static_cast<size_t>(rows * 3 * width)));
      const BufferIndex mixed = maker.buffer(rows, width, 16);
      const int64_t most = (int64_t{1} << exp_bits) - 1;
      AttentionStep step{.from = qkv, .to = mixed, .heads = heads};
      step.exp_bits = exp_bits;
      step.exp = {maker.tensor({4}, 16, {most, most / 2, most / 9, most / 100}), 0, 15};
      step.reciprocal = {maker.tensor({3}, 32, {32768, 21845, 16384}), 0, 15};
      step.rescale = {1 << 30, 38};
      maker.add(step);
      expect_agrees(maker.logits_of(mixed), {0, 0, 0});
    }
  }
}

TEST(IntegerEngine, KeepsNothingOfAPictureForTheNext) {
  Random random({5});
  const IntegerProgram program = random_integer_program(random);
  const IntegerEngine engine(program);
  const std::vector<int8_t> first = random_codes(program, random), second = random_codes(program, random);
  const std::vector<int32_t> expected = engine.run(first);
  engine.run(second);
  EXPECT_EQ(engine.run(first), expected);
}

TEST(IntegerEngine, RefusesPicturesThatAreNotWholeAndNoThreads) {
  Maker maker;
  const IntegerProgram program = maker.logits_of(maker.fill(1, 8, {1, 2}));
  const IntegerEngine engine(program);
  EXPECT_EQ(testing::input_error([&] { engine.run(std::vector<int8_t>(4)); }),
            "pictures: 4 codes, expected a multiple of 3, the codes of one picture");
  EXPECT_EQ(testing::input_error([&] { engine.run(std::vector<int8_t>(3), 0); }),
            "threads is 0, expected at least 1");
  EXPECT_TRUE(engine.run({}, 2).empty());
}

}  // namespace
}  // namespace normgraft
