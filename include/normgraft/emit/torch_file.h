#pragma once

#include <map>
#include <string>

#include "normgraft/expr/expression.h"

namespace normgraft {

/// A self-contained Python module (PyTorch only) with the functions of a graft: `apply(model)` puts them
/// into any module with these norm sites, a timm ViT for instance, keeping gamma and beta; `load(model,
/// folder)` also reads the weights of the graft.
std::string torch_source(const std::map<std::string, Expression>& functions);

/// One expression as Python text over the variable `x` and the module `torch`.
std::string torch_expression(const Expression& f);

}  // namespace normgraft
