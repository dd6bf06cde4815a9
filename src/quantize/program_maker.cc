#include "program_maker.h"

#include <ATen/ATen.h>

namespace normgraft {
namespace {

template <typename Value>
std::vector<Value> values_of(const Tensor& tensor) {
  const Tensor flat = tensor.contiguous();
  return {flat.data_ptr<Value>(), flat.data_ptr<Value>() + flat.numel()};
}

}  // namespace

Tensor even_steps(int64_t width, double step) {
  return at::full({width}, step, at::kDouble);
}

Codes ProgramMaker::buffer(const std::string& name, int64_t rows, int64_t width, int bits, double step,
                           int64_t zero) {
  IntegerBuffer made;
  made.name = name;
  made.rows = rows;
  made.width = width;
  made.bits = bits;
  made.step = step;
  made.zero = zero;
  program_.buffers.push_back(made);
  return {static_cast<BufferIndex>(program_.buffers.size() - 1), even_steps(width, step), zero, bits};
}

Codes ProgramMaker::buffer(const std::string& name, int64_t rows, const Tensor& steps, int bits) {
  Codes made = buffer(name, rows, steps.size(0), bits, steps.max().item<double>());
  made.steps = steps;
  return made;
}

std::string ProgramMaker::tensor(const std::string& name, const Tensor& values, int bits) {
  IntegerTensor made;
  made.shape = values.sizes().vec();
  made.bits = bits;
  if (bits == 8) made.values8 = values_of<int8_t>(values.to(at::kChar));
  if (bits == 16) made.values16 = values_of<int16_t>(values.to(at::kShort));
  if (bits == 32) made.values32 = values_of<int32_t>(values.to(at::kInt));
  program_.tensors.insert_or_assign(name, std::move(made));
  return name;
}

Curve ProgramMaker::curve(const std::string& name, const FittedCurve& fitted) {
  Curve curve = fitted.curve;
  curve.knots = tensor(name, at::tensor(fitted.knots, at::kLong), fitted.knot_bits);
  program_.origin["curves"][name] = {{"intervals", fitted.knots.size() - 1},
                                     {"largest_error", fitted.largest_error}};
  return curve;
}

}  // namespace normgraft
