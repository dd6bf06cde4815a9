#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "normgraft/core/error.h"
#include "targets.h"
#include "torch_functions.h"

namespace normgraft {
namespace {

constexpr const char* kHead = R"py(# Written by normgraft.
"""Scalar functions in place of LayerNorm: f(x) replaces (x - mean) / sqrt(var + eps).

Where RANGES has a site, its function is f(x, r): channel 0 of x is r, one number of the token. WIDENED names the
Linears that have a few more hidden units, which help to tell r.

With timm, the network that the folder of this file describes, weights loaded:

    model = graft.create("path/to/this/folder")

With PyTorch alone, a network of one's own whose modules have timm's names, and the shapes of model.safetensors:

    graft.load(model, "path/to/this/folder")

Pictures are prepared as "pretrained_cfg" of config.json says.
"""
import json
import pathlib
import struct

import torch


class ScalarNorm(torch.nn.Module):
    """weight * f(x) + bias, one f for all tokens and channels; weight is gamma and bias beta.

    With a range it is f(x, r), where r is channel 0 of x, clamped to that range.
    """

    def __init__(self, function, weight, bias, range_of_r=None):
        super().__init__()
        self.function = function
        self.range_of_r = range_of_r
        self.weight = torch.nn.Parameter(weight.detach().clone())
        self.bias = torch.nn.Parameter(bias.detach().clone())

    def forward(self, x):
        r = () if self.range_of_r is None else (x[..., :1].clamp(*self.range_of_r),)
        return self.function(x, *r) * self.weight + self.bias


class FirstCarrier(torch.nn.Module):
    """Adds r to channel 0 of the embedded tokens [..., N, D], to which no Linear could add it."""

    def __init__(self, projections, scales, numbers):
        super().__init__()
        self.projections = torch.nn.Parameter(projections)
        self.scales = torch.nn.Parameter(scales)
        self.numbers = torch.nn.Parameter(numbers)

    def forward(self, x):
        squares = torch.nn.functional.linear(x, self.projections).square()
        r = (squares @ self.scales + self.numbers).clamp_min(1e-6).log() / 2
        return torch.cat([x[..., :1] + r.unsqueeze(-1), x[..., 1:]], dim=-1)


)py";

constexpr const char* kTail = R"py(

def create(folder):
    """A timm model with the architecture, the functions and the weights of `folder`."""
    config = _config(folder)
    if isinstance(config["pretrained_cfg"]["classifier"], list):  # a head for each of class and distillation token
        from timm.models.deit import VisionTransformerDistilled as Network
    else:
        from timm.models.vision_transformer import VisionTransformer as Network
    model = Network(num_classes=config["num_classes"], global_pool=config["global_pool"], **config["model_args"])
    model.pretrained_cfg = model.default_cfg = config["pretrained_cfg"]
    return load(model, folder).eval()


def load(model, folder):
    """Puts the functions and the weights of `folder` into `model`, in place.

    Convolutions and Linears get the biases of the file and lose those that it has not, those of WIDENED become as
    large as there; the LayerNorms that stay get the eps of config.json. Raises ValueError, leaving the model as it was, where anything else does not fit.
    """
    weights = pathlib.Path(folder) / "model.safetensors"
    eps = _config(folder)["norm_eps"]
    state = _read(weights)
    _check_sites(model)
    biased = {f"{name}.bias": module for name, module in model.named_modules()
              if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d))}
    expected = {_place(name): shape for name, shape in CARRIER.items()}
    expected.update({name: list(value.shape) for name, value in model.state_dict().items() if name not in biased})
    expected.update({name: [len(module.weight)] for name, module in biased.items() if name in state})
    for linear, shape in WIDENED.items():
        sizes = {f"{linear}.weight": shape, f"{linear}.bias": shape[:1]}
        expected.update({name: size for name, size in sizes.items() if name in expected})
    faults = [f"{name} is missing" for name in expected if name not in state]
    faults += [f"{name} is not in the model" for name in state if name not in expected]
    faults += [f"{name} has shape {list(state[name].shape)}, expected {shape}" for name, shape in expected.items()
               if name in state and list(state[name].shape) != shape]
    if faults:
        others = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise ValueError(f"{weights} does not fit the model: {faults[0]}{others}")
    for linear, (outputs, inputs) in WIDENED.items():
        module = model.get_submodule(linear)
        module.weight = torch.nn.Parameter(module.weight.new_zeros(outputs, inputs))
        module.out_features, module.in_features = outputs, inputs
        if module.bias is not None:
            module.bias = torch.nn.Parameter(module.weight.new_zeros(outputs))
    for name, module in biased.items():
        if name not in state:
            module.bias = None
        elif module.bias is None:
            module.bias = torch.nn.Parameter(module.weight.new_zeros(len(module.weight)))
    apply(model)
    for module in model.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = eps
    model.load_state_dict(state)
    return model


def apply(model):
    """Replaces the norm sites of `model` in place; gamma and beta are taken over from its LayerNorms.

    Where r is told ahead of the first site, norm_pre becomes a FirstCarrier, of zeros if it was none.
    """
    _check_sites(model)
    modules = dict(model.named_modules())
    for site, function in FUNCTIONS.items():
        parent, _, child = site.rpartition(".")
        norm = modules[site]
        setattr(modules[parent], child, ScalarNorm(function, norm.weight, norm.bias, RANGES.get(site)))
    if CARRIER and not isinstance(model.norm_pre, FirstCarrier):
        like = next(model.parameters())
        zeros = {name.rpartition(".")[2]: like.new_zeros(shape) for name, shape in CARRIER.items()}
        model.norm_pre = FirstCarrier(**zeros)
    return model


def _check_sites(model):
    modules = dict(model.named_modules())
    for site in FUNCTIONS:
        if site not in modules:
            raise ValueError(f"norm site {site} is not in the model")
        if getattr(modules[site], "weight", None) is None or getattr(modules[site], "bias", None) is None:
            raise ValueError(f"norm site {site} is a {type(modules[site]).__name__}, expected a norm with gamma and beta")
    before = modules.get("norm_pre")
    if CARRIER and not isinstance(before, (torch.nn.Identity, FirstCarrier)):
        found = "missing" if before is None else f"a {type(before).__name__}"
        raise ValueError(f"norm_pre is {found}, expected an Identity")


def _place(name):
    """The model's name for a tensor of the file."""
    return f"norm_pre.{name.removeprefix('carrier.')}" if name in CARRIER else name


def _config(folder):
    return json.loads((pathlib.Path(folder) / "config.json").read_text(encoding="utf-8"))


def _read(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    state = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__":
            continue
        if entry["dtype"] != "F32":
            raise ValueError(f"{path}: {name} is {entry['dtype']}, expected F32")
        begin, end = entry["data_offsets"]
        values = bytearray(data[8 + length + begin : 8 + length + end])
        state[_place(name)] = torch.frombuffer(values, dtype=torch.float32).reshape(entry["shape"])
    return state
)py";

/// A site's name as a Python identifier that is not among those taken.
std::string identifier(const std::string& site, std::set<std::string>& taken) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  std::string name = "f_";
  for (const char c : site) name += kLetters.find(c) == std::string_view::npos ? '_' : c;
  std::string unique = name;
  for (int count = 2; !taken.insert(unique).second; ++count) unique = fmt::format("{}_{}", name, count);
  return unique;
}

/// JSON's strings are Python's as long as characters beyond ASCII stand for themselves.
std::string quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

/// A dictionary of these lines.
std::string table(const std::string& name, const std::string& lines) {
  return lines.empty() ? name + " = {}\n" : name + " = {\n" + lines + "}\n";
}

class TorchExporter : public Exporter {
 public:
  std::string_view name() const override { return "torch"; }
  std::string_view description() const override { return "graft.py, a PyTorch file for timm users"; }

 private:
  void write_files(const ExportInput& input, const Path& folder) const override {
    if (input.format.kind != NumberFormat::Kind::kFloat32)
      throw InputError("export torch: another number format, expected float32");
    for (const auto& [site, carried] : input.carried) {
      if (!carried.channel || input.functions.contains(site)) continue;
      throw InputError(fmt::format(
          "export torch: norm site {} keeps its norm, expected a function where a channel tells r",
          quoted(site)));
    }
    std::string definitions, functions, ranges, carrier, widened;
    std::set<std::string> taken;
    for (const auto& [site, f] : input.functions) {
      const std::string function = identifier(site, taken);
      definitions += torch_definition(function, f);
      functions += fmt::format("    {}: {},\n", quoted(site), function);
      if (!f.reads(Op::kR)) continue;
      const Carried& carried = input.carried.at(site);
      ranges += fmt::format("    {}: ({}, {}),\n", quoted(site), carried.low, carried.high);
    }
    for (const auto& [name, tensor] : input.tensors) {
      if (!name.starts_with("carrier.")) continue;
      carrier += fmt::format("    {}: [{}],\n", quoted(name), fmt::join(tensor.shape, ", "));
    }
    for (const std::string& linear : input.widened) {
      widened += fmt::format("    {}: [{}],\n", quoted(linear),
                             fmt::join(input.tensors.at(linear + ".weight").shape, ", "));
    }
    write_atomically(folder / "graft.py", kHead + definitions + table("FUNCTIONS", functions) +
                                              table("RANGES", ranges) + table("CARRIER", carrier) +
                                              table("WIDENED", widened) + kTail);
  }
};

}  // namespace

const Exporter& torch_exporter() {
  static const TorchExporter kExporter;
  return kExporter;
}

}  // namespace normgraft
