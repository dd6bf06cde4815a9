#pragma once

#include "engine_kernels.h"
#include "normgraft/integer/program.h"

namespace normgraft {

/// How the steps of a program are laid out for kernels. `to` and `from` are the buffers that they will read
/// and write.
class Packer {
 public:
  Packer(const IntegerProgram& program, const EngineKernels& kernels)
      : program_(program), kernels_(kernels) {}

  Storage storage(const IntegerBuffer& buffer) const;

  LinearPlan pack(const LinearStep& step) const;
  ScalePlan pack(const ScaleStep& step) const;
  CurveStepPlan pack(const CurveStep& step) const;
  NormPlan pack(const NormStep& step) const;
  AttentionPlan pack(const AttentionStep& step) const;
  CurvePlan pack(const Curve& curve) const;

 private:
  const IntegerBuffer& buffer(BufferIndex i) const { return program_.buffers[static_cast<size_t>(i)]; }
  const IntegerTensor& tensor(const std::string& name) const { return program_.tensors.at(name); }
  Packed pack_weight(const LinearStep& step) const;
  Requantise everywhere(const Rescale& rescale, int64_t most) const;

  const IntegerProgram& program_;
  const EngineKernels& kernels_;
};

}  // namespace normgraft
