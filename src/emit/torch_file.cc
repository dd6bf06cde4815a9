#include "normgraft/emit/torch_file.h"

#include <fmt/format.h>

#include <vector>

namespace normgraft {
namespace {

constexpr const char* kHead =
    R"(# Scalar functions in place of LayerNorm, written by normgraft. Needs PyTorch only.
#
#     model = timm.create_model("deit_tiny_patch16_224")
#     graft.load(model, "path/to/this/folder")
#
# f(x) replaces (x - mean) / sqrt(var + eps); the weight (gamma) and bias (beta) of each site stay.
import json
import pathlib
import struct

import torch


class ScalarNorm(torch.nn.Module):
    """gamma * f(x) + beta, one f for all tokens and channels."""

    def __init__(self, function, weight, bias):
        super().__init__()
        self.function = function
        self.weight = torch.nn.Parameter(weight.detach().clone())
        self.bias = torch.nn.Parameter(bias.detach().clone())

    def forward(self, x):
        return self.function(x) * self.weight + self.bias


)";

constexpr const char* kTail = R"(

def apply(model):
    """Replaces the norm sites of `model` in place; gamma and beta are taken over from its LayerNorms."""
    modules = dict(model.named_modules())
    for name, function in FUNCTIONS.items():
        if name not in modules:
            raise KeyError(f"norm site {name} is not in the model")
        parent, _, child = name.rpartition(".")
        norm = modules[name]
        setattr(modules[parent], child, ScalarNorm(function, norm.weight, norm.bias))
    return model


def load(model, folder):
    """Replaces the norm sites and loads model.safetensors of the graft from `folder`."""
    apply(model)
    data = (pathlib.Path(folder) / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    state = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__":
            continue
        if entry["dtype"] != "F32":
            raise ValueError(f"{name} is {entry['dtype']}, expected F32")
        begin, end = entry["data_offsets"]
        values = bytearray(data[8 + length + begin : 8 + length + end])
        state[name] = torch.frombuffer(values, dtype=torch.float32).reshape(entry["shape"])
    model.load_state_dict(state)
    return model
)";

std::string function_name(const std::string& site) {
  std::string name = "f_";
  for (const char c : site) name += c == '.' ? '_' : c;
  return name;
}

}  // namespace

std::string torch_expression(const Expression& f) {
  std::vector<std::string> stack;
  const auto pop = [&stack] {
    std::string top = std::move(stack.back());
    stack.pop_back();
    return top;
  };
  for (const Instruction& step : f.program()) {
    if (step.op == Op::kX) {
      stack.emplace_back("x");
    } else if (step.op == Op::kConstant) {
      stack.push_back(fmt::format("torch.full_like(x, {})", step.c[0]));
    } else {
      const Primitive& p = primitive(step.op);
      const std::string b = p.arity == 2 ? pop() : std::string();
      const std::string a = pop();
      stack.push_back(fmt::format(fmt::runtime(p.torch), a, b, step.c[0], step.c[1]));
    }
  }
  return stack.back();
}

std::string torch_source(const std::map<std::string, Expression>& functions) {
  std::string source = kHead;
  for (const auto& [site, f] : functions) {
    source += fmt::format("def {}(x):\n    # {}\n    return {}\n\n\n", function_name(site), f.to_string(),
                          torch_expression(f));
  }
  source += "FUNCTIONS = {\n";
  for (const auto& [site, f] : functions)
    source += fmt::format("    \"{}\": {},\n", site, function_name(site));
  source += "}\n";
  return source + kTail;
}

}  // namespace normgraft
