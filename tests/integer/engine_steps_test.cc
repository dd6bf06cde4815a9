#include <gtest/gtest.h>

#include <algorithm>

#include "engine_support.h"

namespace normgraft {
namespace {

using testing::expect_agrees;
using testing::Maker;
using testing::on_each_target;

std::vector<int64_t> repeated(const std::vector<int64_t>& values, size_t count) {
  std::vector<int64_t> all;
  for (size_t i = 0; i < count; ++i) all.push_back(values[i % values.size()]);
  return all;
}

TEST(IntegerEngineSteps, SumsTheLargestProductsWithoutSaturating) {
  for (const int bits : {8, 16}) {
    const int64_t most = largest_code(bits);
    for (const std::vector<int64_t>& pattern : {std::vector<int64_t>{-most - 1},
                                                {most},
                                                {-most - 1, most},
                                                {-most - 1, -most - 1, most},
                                                {0, most}}) {
      Maker maker;
      const BufferIndex codes = maker.fill(1, bits, repeated(pattern, bits == 8 ? 700 : 301));
      const BufferIndex logits = maker.buffer(1, 70, 32);
      maker.linear(
          codes, logits, [](int64_t o) { return o % 3 == 0   ? -128
                                                : o % 3 == 1 ? 127
                                                             : o; },
          [](int64_t) {
            return Rescale{1, 0};
          });
      expect_agrees(maker.done(logits), {0, 0, 0});
    }
  }
}

TEST(IntegerEngineSteps, ChangesUnitsOfAnyMultiplierAndShift) {
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
          for (int64_t i = 0; i < 24; ++i)
            before.push_back(clamp_to_bits(i % 3 == 0 ? INT32_MIN : i % 3 == 1 ? INT32_MAX : 7919 * i, bits));
          const BufferIndex to = maker.fill(1, bits, before);
          maker.linear(
              codes, to, [](int64_t o) { return o * 5 - 60; },
              [&](int64_t o) {
                return Rescale{multipliers[static_cast<size_t>(o) % 8],
                               std::min(62, least + static_cast<int>(o / 8))};
              },
              {.zero = zero, .adds = adds});
          expect_agrees(maker.ends_with(to), {0, 0, 0});
          if (HasFailure()) return;
        }
      }
    }
  }
}

TEST(IntegerEngineSteps, RoundsHalvesUp) {
  Maker maker;
  const BufferIndex codes = maker.fill(1, 8, {1});
  const BufferIndex logits = maker.buffer(1, 3, 32);
  maker.linear(
      codes, logits, [](int64_t o) { return 2 * o - 1; },
      [](int64_t) {
        return Rescale{1 << 30, 31};
      });
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

TEST(IntegerEngineSteps, FollowsCurvesOfAnyKnots) {
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
      for (const int to : {8, 16, 32}) {
        SCOPED_TRACE(fmt::format("{} knots, {} to {} bits", kind.knots, from, to));
        Maker maker;
        Random random({kind.knots});
        std::vector<int64_t> knots;
        for (size_t i = 0; i < kind.knots; ++i) {
          knots.push_back(static_cast<int64_t>(random.below(2 * static_cast<uint64_t>(kind.size) + 1)) -
                          kind.size);
        }
        const auto count = static_cast<int64_t>(kind.knots);
        const BufferIndex codes = maker.fill(1, from, spread_codes(from, 300));
        const BufferIndex values = maker.buffer(1, 300, to);
        maker.add(
            CurveStep{codes, values, {maker.tensor({count}, kind.bits, knots), kind.low, kind.shift}, 1});
        expect_agrees(maker.ends_with(values), {0, 0, 0});
      }
    }
  }
}

TEST(IntegerEngineSteps, ScalesByAnyFactor) {
  for (const int from : {8, 16, 32}) {
    for (const int to : {8, 16, 32}) {
      for (const int64_t g : {1, 200, 32767, 60000, 1 << 20, INT32_MAX}) {
        for (const int shift : {0, 1, 8, 15, 16, 17, 24, 31, 33, 40, 62}) {
          SCOPED_TRACE(fmt::format("{} to {} bits, {} >> {}", from, to, g, shift));
          Maker maker;
          const int64_t rows = to == 32 ? 1 : 4;
          const BufferIndex codes = maker.fill(rows, from, spread_codes(from, 84));
          const BufferIndex scaled = maker.buffer(rows, 84 / rows, to);
          const Curve curve{maker.tensor({3}, 32, {-g, g, g / 2}), -1000, 10};
          maker.add(ScaleStep{codes, scaled, curve, shift, rows});
          expect_agrees(maker.ends_with(scaled), {0, 0, 0});
          if (HasFailure()) return;
        }
      }
    }
  }
}

TEST(IntegerEngineSteps, ScalesWithoutTheLowerBitsOfRAndX) {
  for (const int from : {8, 16, 32}) {
    for (const int cut : {0, 1, 4, from - 1}) {
      for (const int64_t g : {int64_t{1}, int64_t{123}, int64_t{60000}, int64_t{INT32_MAX}}) {
        for (const int shift : {0, 1, 13, 30, 40}) {
          for (const bool floors : {false, true}) {
            SCOPED_TRACE(fmt::format("{} bits without {}, {} >> {}, floors {}", from, cut, g, shift, floors));
            Maker maker;
            const BufferIndex codes = maker.fill(4, from, spread_codes(from, 84));
            const BufferIndex scaled = maker.buffer(4, 21, 16);
            ScaleStep step{codes, scaled, {maker.tensor({3}, 32, {-g, g, g / 2}), -1, 0}, shift, 4};
            step.r_cut = step.x_cut = cut;
            step.floors = floors;
            maker.add(step);
            expect_agrees(maker.ends_with(scaled), {0, 0, 0});
            if (HasFailure()) return;
          }
        }
      }
    }
  }
}

TEST(IntegerEngineSteps, NormalisesRowsOfAnySpread) {
  for (const int from : {8, 16}) {
    for (const int64_t spread : {0, 1, 3, 100, 32767}) {
      for (const int variance_shift : {0, 2, 16}) {
        for (const Rescale unit :
             {Rescale{1 << 30, 45}, Rescale{-(1 << 30), 50}, Rescale{3, 10}, Rescale{1, 0}}) {
          Maker maker;
          Random random({static_cast<uint64_t>(spread)});
          std::vector<int64_t> values;
          for (size_t i = 0; i < 37; ++i) {
            const auto any =
                static_cast<int64_t>(random.below(2 * static_cast<uint64_t>(spread) + 1)) - spread;
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

TEST(IntegerEngineSteps, TakesTheWholePartOfARootThatAFloatRoundsUp) {
  std::vector<int64_t> values(1100, -32768);
  values[0] = 32767;
  const int64_t width = 1100, above = (width - 1) * 65535, below = -65535;
  const int64_t squares = above * above + (width - 1) * below * below;
  const int64_t root = (int64_t{1} << 28) + 1;
  Maker maker;
  const BufferIndex codes = maker.fill(1, 16, values), normalised = maker.buffer(1, width, 32);
  maker.add(NormStep{codes, normalised, root * root - 1 - squares, 0, {1, 0}, 1});
  expect_agrees(maker.done(normalised), {0, 0, 0});
}

TEST(IntegerEngineSteps, AttendsToTheLargestQueriesKeysAndValues) {
  for (const int exp_bits : {8, 15}) {
    for (const int to : {8, 16}) {
      for (const int32_t low : {0, 1000, -70000, INT32_MAX - 100}) {
        for (const int64_t knots : {4, 200}) {
          for (const std::vector<int64_t>& pattern :
               {std::vector<int64_t>{-128}, {127}, {-128, 127, -128}, {127, -128, 3, 4, 5, 127, -128}}) {
            SCOPED_TRACE(fmt::format("{} and {} bits, {} knots from {}", exp_bits, to, knots, low));
            Maker maker;
            const int64_t rows = 29, heads = 2, width = 22;
            const size_t codes = static_cast<size_t>(rows * 3 * width);
            const BufferIndex qkv = maker.fill(rows, 8, repeated(pattern, codes));
            const BufferIndex mixed = maker.buffer(rows, width, to);
            const int64_t most = (int64_t{1} << exp_bits) - 1;
            std::vector<int64_t> exp;
            for (int64_t i = 1; i <= knots; ++i) exp.push_back(1 + (most - 1) / (i * i));
            AttentionStep step{.from = qkv, .to = mixed, .heads = heads};
            step.exp_bits = exp_bits;
            step.exp = {maker.tensor({knots}, 16, exp), low, 12};
            step.reciprocal = {maker.tensor({3}, 32, {32768, 21845, 16384}), 0, 15};
            step.rescale = {1 << 30, to == 8 ? 45 : 38};
            maker.add(step);
            expect_agrees(maker.logits_of(mixed), {0, 0, 0});
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace normgraft
