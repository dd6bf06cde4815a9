#pragma once

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <bit>
#include <cmath>
#include <vector>

#include "normgraft/expr/block.h"

namespace normgraft {

/// Runs each test on every SIMD target that this machine has.
class BlockTest : public ::testing::TestWithParam<int64_t> {
 protected:
  void SetUp() override { hwy::SetSupportedTargetsForTest(GetParam()); }
  void TearDown() override { hwy::SetSupportedTargetsForTest(0); }
};

inline bool same(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) || std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

/// Whether the primitive is rounded correctly, so that the scalar result rounded to float is the only right
/// one.
inline bool is_exact(Op op) {
  switch (op) {
    case Op::kTanh:
    case Op::kSigmoid:
    case Op::kErf:
    case Op::kRsqrt:
    case Op::kExp:
    case Op::kLog:
    case Op::kExp2:
    case Op::kLog2:
      return false;
    default:
      return true;
  }
}

/// The program with every node computed in double by the registry and rounded to float.
inline float rounded_at_each_node(const Expression& f, float x, float r = 0) {
  std::vector<double> stack;
  for (const Instruction& i : f.program()) {
    const Primitive& p = primitive(i.op);
    double operands[2] = {x, r};
    for (int k = p.arity; k-- > 0;) {
      operands[k] = stack.back();
      stack.pop_back();
    }
    stack.push_back(static_cast<float>(p.value(operands[0], operands[1], i.c)));
  }
  return static_cast<float>(stack.back());
}

}  // namespace normgraft
