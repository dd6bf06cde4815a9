#!/usr/bin/python3
"""Writes what timm says of its Vision Transformers and of the architectures that are called so beside them.

  timm_architectures.py OUT.json          tests/models/timm_architectures.json was written with timm 1.0.31

One line per architecture: its module. For the plain ones (modules vision_transformer and deit) also its class; "args",
the keyword arguments by which its function builds it where they are not the class's defaults; read from the network
built, "heads", "eps" (of its norms; by name where they are not all alike) and "act"; and, from its default
pretrained_cfg, "data". The networks are built without memory for their weights.
"""

import functools
import inspect
import json
import re
import sys
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "oracle"))
from timm_import import timm  # noqa: E402
from timm.layers import RmsNorm  # noqa: E402
from timm.models import VisionTransformer, _registry as registry  # noqa: E402

PLAIN = ("vision_transformer", "deit")
KIN = ("vision_transformer_hybrid", "vision_transformer_relpos", "vision_transformer_sam", "naflexvit", "eva", "beit",
       "qwen3_vit", "gemma4_vit", "deepseek_vit", "vitamin", "cait", "xcit", "volo", "crossvit", "convit", "hiera",
       "hieradet_sam2")
NO_STRUCTURE = ("weight_init", "fix_init", "device")
ACTIVATIONS = {"GELU": "gelu", "GELUTanh": "gelu_tanh", "QuickGELU": "quick_gelu", "SiLU": "silu", "ReLU": "relu"}
DATA = ("num_classes", "input_size", "mean", "std", "interpolation", "crop_pct", "crop_mode")


def written(value):
    """A keyword argument as JSON; a class by its name, a partial as a call."""
    if isinstance(value, functools.partial):
        arguments = ", ".join(f"{name}={written(v)}" for name, v in value.keywords.items())
        return f"{written(value.func)}({arguments})"
    if inspect.isclass(value) or inspect.isfunction(value):
        return value.__name__
    return list(value) if isinstance(value, tuple) else value


def record_arguments(calls):
    """From here on, each network that timm builds leaves its keyword arguments in `calls`."""
    def recording(build):
        def wrapped(model_cls, variant, pretrained, **arguments):
            names = inspect.signature(build).parameters
            calls.append({k: v for k, v in arguments.items() if k not in names})
            return build(model_cls, variant, pretrained, **arguments)
        return wrapped

    for module in [m for name, m in sys.modules.items() if name.startswith("timm.models.")]:
        if hasattr(module, "build_model_with_cfg"):
            module.build_model_with_cfg = recording(module.build_model_with_cfg)


def arguments_of(arguments):
    defaults = {name: p.default for name, p in inspect.signature(VisionTransformer).parameters.items()}
    return {name: written(value) for name, value in arguments.items()
            if name not in NO_STRUCTURE and (name not in defaults or defaults[name] != value)}


def epsilons(model):
    found = {re.sub(r"\.\d+\.", ".*.", name): module.eps for name, module in model.named_modules()
             if isinstance(module, (torch.nn.LayerNorm, RmsNorm))}
    values = set(found.values())
    return values.pop() if len(values) == 1 else found


def first(values):
    return next(iter(values), None)


def facts(name, calls):
    calls.clear()
    model = registry._model_entrypoints[name](device="meta")
    modules = list(model.modules())
    return {
        "class": type(model).__name__,
        "args": arguments_of(calls[0]),
        "heads": first(m.num_heads for m in modules if hasattr(m, "num_heads")),
        "eps": epsilons(model),
        "act": first(ACTIVATIONS[type(m).__name__] for m in modules if type(m).__name__ in ACTIVATIONS),
        "data": {field: written(model.default_cfg[field]) for field in DATA},
    }


def main():
    calls = []
    record_arguments(calls)
    lines = []
    for name in timm.list_models():
        module = registry._model_to_module[name]
        if module in PLAIN + KIN:
            found = {"module": module} | (facts(name, calls) if module in PLAIN else {})
            lines.append(f"{json.dumps(name)}: {json.dumps(found)}")
    text = '{"timm": %s, "architectures": {\n%s\n}}\n' % (json.dumps(timm.__version__), ",\n".join(lines))
    Path(sys.argv[1]).write_text(text)


if __name__ == "__main__":
    main()
