#pragma once

#include <string>

#include "normgraft/expr/expression.h"

namespace normgraft {

/// A Python function of PyTorch tensors that computes f, and two empty lines. It is `name(x)`, or `name(x,
/// r)` where f reads r: x [..., D] and r [..., 1], one number a token. The result has the shape of x.
std::string torch_definition(const std::string& name, const Expression& f);

}  // namespace normgraft
