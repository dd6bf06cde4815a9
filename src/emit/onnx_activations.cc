#include "normgraft/emit/onnx_activations.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "normgraft/core/error.h"

namespace normgraft {

const std::vector<std::pair<std::string, Expression>>& onnx_activations() {
  static const std::vector<std::pair<std::string, Expression>> kAll = {
      {"gelu", Expression::parse("0.5*(x*(1+erf(x/1.4142135)))")},
      {"gelu_tanh", Expression::parse("0.5*(x*(1+tanh(0.7978846*(x+0.044715*(x*square(x))))))")},
      {"quick_gelu", Expression::parse("x*sigmoid(1.702*x)")},
      {"relu", Expression::parse("max(x, 0)")},
      {"silu", Expression::parse("x*sigmoid(x)")},
  };
  return kAll;
}

const Expression& onnx_activation(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& [activation, f] : onnx_activations()) {
    if (activation == name) return f;
    known.push_back(activation);
  }
  throw InputError(
      fmt::format("export --to onnx: activation \"{}\", expected one of {}", name, fmt::join(known, ", ")));
}

}  // namespace normgraft
