#pragma once

#include <string>
#include <utility>
#include <vector>

#include "normgraft/expr/expression.h"

namespace normgraft {

/// The activations by their names in timm, as expressions of which graphs are made.
const std::vector<std::pair<std::string, Expression>>& onnx_activations();

/// The one of that name. Throws InputError naming those there are.
const Expression& onnx_activation(const std::string& name);

}  // namespace normgraft
