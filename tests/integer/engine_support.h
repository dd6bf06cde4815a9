#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "hwy/targets.h"
#include "normgraft/integer/engine.h"
#include "normgraft/integer/interpreter.h"
#include "support/integer_programs.h"

namespace normgraft::testing {

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

inline std::vector<int32_t> interpret_all(const IntegerProgram& program,
                                          const std::vector<int8_t>& pictures) {
  const size_t codes = size_t{3} * static_cast<size_t>(program.preprocessing.height) *
                       static_cast<size_t>(program.preprocessing.width);
  std::vector<int32_t> logits;
  for (size_t i = 0; i < pictures.size(); i += codes) {
    const std::vector<int32_t> one = interpret(program, std::span(pictures).subspan(i, codes));
    logits.insert(logits.end(), one.begin(), one.end());
  }
  return logits;
}

inline std::vector<int8_t> random_pictures(const IntegerProgram& program, size_t batch, Random& random) {
  std::vector<int8_t> pictures;
  for (size_t i = 0; i < batch; ++i) {
    const std::vector<int8_t> one = random_codes(program, random);
    pictures.insert(pictures.end(), one.begin(), one.end());
  }
  return pictures;
}

inline void expect_agrees(const IntegerProgram& program, const std::vector<int8_t>& pictures) {
  const std::vector<int32_t> expected = interpret_all(program, pictures);
  on_each_target([&](const EngineOptions& options) {
    EXPECT_EQ(IntegerEngine(program, options).run(pictures), expected);
  });
}

/// Builds programs of a few steps: one row of codes, filled in, to the logits.
struct Maker {
  explicit Maker(int64_t side = 1) {
    program.architecture = "test";
    program.preprocessing.height = program.preprocessing.width = static_cast<int>(side);
  }

  BufferIndex buffer(int64_t rows, int64_t width, int bits) {
    program.buffers.push_back(
        {fmt::format("buffer {}", program.buffers.size()), rows, width, bits, 1, 0, 0, 0});
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

  void add(IntegerStep step) {
    program.steps.push_back({fmt::format("{}", program.steps.size()), std::move(step)});
  }

  BufferIndex fill(int64_t rows, int bits, const std::vector<int64_t>& values) {
    const auto width = static_cast<int64_t>(values.size()) / rows;
    const BufferIndex made = buffer(rows, width, bits);
    add(FillStep{made, tensor({rows, width}, bits, values)});
    return made;
  }

  /// Every output o has all its weights weight(o), and a unit of its own.
  template <typename Weight, typename Unit>
  void linear(BufferIndex from, BufferIndex to, const Weight& weight, const Unit& unit,
              LinearStep step = {}) {
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

  /// Row 0 of a buffer as logits, as it is where it can be.
  IntegerProgram ends_with(BufferIndex last) { return at(last).bits == 32 ? done(last) : logits_of(last); }

  IntegerProgram done(BufferIndex logits) {
    program.logits = logits;
    check(program);
    prove_no_overflow(program);
    return program;
  }

  const IntegerBuffer& at(BufferIndex i) const { return program.buffers[static_cast<size_t>(i)]; }

  IntegerProgram program;
};

}  // namespace normgraft::testing
