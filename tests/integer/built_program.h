#pragma once

#include <string>
#include <vector>

#include "normgraft/core/error.h"
#include "normgraft/integer/interpreter.h"
#include "normgraft/integer/program.h"

namespace normgraft::testing {

/// A program made by hand, step by step, for a picture of one pixel unless said otherwise.
struct BuiltProgram {
  IntegerProgram program;

  BuiltProgram() { program.preprocessing.height = program.preprocessing.width = 1; }

  BufferIndex buffer(const std::string& name, int64_t rows, int64_t width, int bits) {
    program.buffers.push_back({name, rows, width, bits});
    return static_cast<BufferIndex>(program.buffers.size() - 1);
  }

  std::string tensor(const std::string& name, std::vector<int64_t> shape, int bits,
                     const std::vector<int64_t>& values) {
    IntegerTensor& made = program.tensors[name];
    made = {.shape = std::move(shape), .bits = bits};
    if (bits == 8) made.values8.assign(values.begin(), values.end());
    if (bits == 16) made.values16.assign(values.begin(), values.end());
    if (bits == 32) made.values32.assign(values.begin(), values.end());
    return name;
  }

  void step(const std::string& place, IntegerStep made) { program.steps.push_back({place, std::move(made)}); }

  /// A buffer that holds these codes, row by row.
  BufferIndex filled(const std::string& name, int64_t rows, int bits, const std::vector<int64_t>& codes) {
    const auto width = static_cast<int64_t>(codes.size()) / rows;
    const BufferIndex to = buffer(name, rows, width, bits);
    step("fill " + name, FillStep{to, tensor(name, {rows, width}, bits, codes)});
    return to;
  }

  /// One Linear of a single output that sums its inputs up: weights 1, no change of unit.
  LinearStep sums(BufferIndex from, BufferIndex to, int64_t rows = 1) {
    const int64_t in = program.buffers[static_cast<size_t>(from)].width;
    return {.from = from,
            .to = to,
            .weight = tensor("weight", {1, in}, 8, std::vector<int64_t>(static_cast<size_t>(in), 1)),
            .bias = tensor("bias", {1}, 32, {0}),
            .multiplier = tensor("multiplier", {1}, 32, {1}),
            .shift = tensor("shift", {1}, 8, {0}),
            .rows = rows};
  }

  /// What a buffer holds at the end.
  std::vector<int32_t> held(BufferIndex buffer, const std::vector<int8_t>& picture = {0, 0, 0}) const {
    IntegerProgram run = program;
    run.logits = buffer;
    return interpret(run, picture);
  }

  /// Makes the first number of a buffer of 8 or 16 bits the only logit, so that the program can be checked.
  void answer_with(BufferIndex from) {
    const BufferIndex logits = buffer("logits", 1, 1, 32);
    LinearStep head = sums(from, logits);
    step("head", head);
    program.logits = logits;
  }
};

}  // namespace normgraft::testing
