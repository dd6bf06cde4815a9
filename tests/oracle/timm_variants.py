#!/usr/bin/python3
"""Small networks of timm's architectures, built, published and computed by timm itself.

  timm_variants.py models FOLDER      for each architecture of tests/models/timm_architectures.json FOLDER/NAME/, the
                                      model folder that timm would publish; for the plain ones with random weights,
                                      input.f32 [3, 3, H, W] and logits.f32; for the others with tensors of the right
                                      names alone
  timm_variants.py options FOLDER     the same for vit_tiny_patch16_224 with arguments that its name does not stand for
  timm_variants.py resized FOLDER     the same for a few architectures, with input.f32 and logits.f32 of another input
                                      size, to which timm resampled the network; FOLDER/cases.json says
                                      [name, height, width] of each
  timm_variants.py check FOLDER       builds each FOLDER/*/ by its config.json alone, as timm does, and expects the
                                      answers of its logits.f32 to its input.f32; names those that differ, and fails

A small network has the structure of its architecture, its heads and its patches, but 2 blocks, 4 channels a head, 6
patches and at most 5 classes. The config says only what differs from the architecture's own arguments, as timm's does.
"""

import argparse
import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import torch

from timm_import import timm
from timm.models import _hub as hub, _registry as registry
from timm.models.vision_transformer import ResPostBlock
from vit import read_safetensors, write_safetensors

FACTS = Path(__file__).resolve().parents[1] / "models" / "timm_architectures.json"
PICTURES, CLASSES, DEPTH, HEAD_WIDTH, GRID = 3, 5, 2, 4, (3, 2)

# What enters the norms is so small that their eps matters.
START = r"patch_embed\.proj|(cls|dist|reg)_token|pos_embed"
BRANCHES = r"blocks\..*(attn\.proj|fc2|out_proj)\.|attn_pool\.proj\."
NORMS_AHEAD = ("norm_pre.weight", "patch_embed.norm.weight")
SMALL = 0.003
TOLERANCE = 2e-5  # of the largest logit

OPTIONS = {
    "query and key norms": {"qk_norm": True},
    "norms in the branches": {"scale_attn_norm": True, "scale_mlp_norm": True},
    "no biases in the branches": {"qkv_bias": False, "proj_bias": False},
    "layer scale and registers": {"init_values": 1e-5, "reg_tokens": 2},
    "positions of patches only": {"no_embed_class": True, "reg_tokens": 2},
    "no positions": {"pos_embed": "none"},
    "norm ahead": {"pre_norm": True},
    "norm of the patches": {"embed_norm_layer": "layernorm"},
    "norm of the class token alone": {"fc_norm": True},
    "average": {"global_pool": "avg"},
    "average of all tokens": {"global_pool": "avg", "pool_include_prefix": True},
    "average after the norm": {"global_pool": "avg", "fc_norm": False},
    "largest": {"global_pool": "max"},
    "average and largest": {"global_pool": "avgmax"},
    "attention pool": {"global_pool": "map", "reg_tokens": 2},
    "refined patches": {"global_pool": "prr"},
    "no pool": {"global_pool": ""},
    "no last norm": {"final_norm": False},
    "root mean square norms": {"norm_layer": "rmsnorm"},
    "other heads": {"num_heads": 2},
    "silu": {"act_layer": "silu"},
    "any input size": {"dynamic_img_size": True},
    "no classes": {"num_classes": 0},
}

RESIZED = {  # architecture: the patches before and after, and what the new size has beyond whole patches
    "vit_base_patch16_224": ((3, 3), (5, 5), 0),
    "vit_large_patch14_clip_224": ((2, 3), (3, 2), 0),
    "deit_base_distilled_patch16_224": ((4, 4), (3, 2), 0),
    "deit3_base_patch16_224": ((3, 5), (6, 4), 9),
    "vit_base_patch14_reg4_dinov2": ((4, 4), (7, 3), 0),
    "vit_base_patch16_siglip_gap_256": ((5, 5), (2, 2), 3),
    "vit_so150m_patch16_reg4_gap_256": ((3, 3), (4, 4), 0),
    "flexivit_base": ((3, 3), (5, 4), 0),
    "vit_base_patch16_radio_v3": ((3, 3), (5, 4), 0),
    "vit_so400m_patch16_radio_v4": ((4, 4), (3, 3), 0),
}


def small_arguments(facts, grid=GRID, beyond=0):
    patch = facts["args"].get("patch_size", 16)
    return {"img_size": tuple(patch * n + beyond for n in grid), "depth": DEPTH,
            "embed_dim": HEAD_WIDTH * facts["heads"], "num_classes": min(CLASSES, facts["data"]["num_classes"])}


def small_tensors(model):
    """A pattern for the names of those that make what enters a norm."""
    if isinstance(model.blocks[0], ResPostBlock):
        return BRANCHES
    norms_ahead = any(name in model.state_dict() for name in NORMS_AHEAD)
    return START if norms_ahead else f"{START}|{BRANCHES}"


def randomise(model):
    """Every tensor, gamma and beta included, is random and matters to the logits."""
    generator = torch.Generator().manual_seed(0)
    small = small_tensors(model)
    for name, tensor in model.state_dict().items():
        noise = torch.randn(tensor.shape, generator=generator)
        if tensor.dim() == 1:
            is_factor = "norm" in name and name.endswith("weight") or "gamma" in name
            value = 0.2 * noise + (1.0 if is_factor else 0.0)
        else:
            value = noise / math.sqrt(tensor[0].numel()) if "weight" in name else 0.5 * noise
        tensor.copy_(value * SMALL if re.match(small, name) else value)


def publish(folder, model):
    folder.mkdir(parents=True, exist_ok=True)
    hub.save_config_for_hf(model, folder / "config.json")
    write_safetensors(folder / "model.safetensors", model.state_dict())


def compute(folder, model):
    patches = model.patch_embed
    size = patches.img_size if patches.strict_img_size else model.pretrained_cfg["input_size"][1:]
    images = torch.randn(PICTURES, 3, *size, generator=torch.Generator().manual_seed(1))
    images.numpy().tofile(folder / "input.f32")
    model.eval()(images).numpy().tofile(folder / "logits.f32")


def make_model(folder, name, arguments):
    model = timm.create_model(name, **arguments)
    randomise(model)
    publish(folder, model)
    compute(folder, model)


def write_names_alone(folder, name):
    """Of a network of another kind: its config, and tensors of one number."""
    model = registry._model_entrypoints[name](device="meta")
    folder.mkdir(parents=True)
    config = {"architecture": name, "num_classes": model.num_classes, "num_features": model.num_features,
              "pretrained_cfg": {k: v for k, v in model.default_cfg.items() if k in ("input_size", "mean", "std")}}
    (folder / "config.json").write_text(json.dumps(config))
    tensors = {key: torch.zeros([1] * t.dim()) for key, t in model.state_dict().items()}
    write_safetensors(folder / "model.safetensors", tensors)


def make_models(root, architectures):
    for name, facts in architectures.items():
        if "args" not in facts:
            write_names_alone(root / name, name)
            continue
        make_model(root / name, name, small_arguments(facts))


def make_options(root, architectures):
    name = "vit_tiny_patch16_224"
    for title, arguments in OPTIONS.items():
        make_model(root / title, name, small_arguments(architectures[name]) | arguments)


def make_resized(root, architectures):
    cases = []
    for name, (before, after, beyond) in RESIZED.items():
        old = small_arguments(architectures[name], before)
        new = small_arguments(architectures[name], after, beyond)
        model = timm.create_model(name, **old)
        randomise(model)
        publish(root / name, model)
        resized = timm.create_model(name, pretrained=True, pretrained_model_args=old,
                                    pretrained_cfg_overlay={"state_dict": model.state_dict(),
                                                            "num_classes": old["num_classes"]}, **new)
        compute(root / name, resized)
        cases.append([name, *new["img_size"]])
    (root / "cases.json").write_text(json.dumps(cases))


def difference(folder):
    """Of what timm makes of a folder from what it holds, as a share of the largest logit."""
    config = json.loads((folder / "config.json").read_text())
    model = timm.create_model(config["architecture"], num_classes=config["num_classes"], **config["model_args"])
    model.load_state_dict(read_safetensors(folder / "model.safetensors"))
    size = config["pretrained_cfg"]["input_size"]
    images = torch.from_numpy(np.fromfile(folder / "input.f32", np.float32).reshape(PICTURES, *size))
    expected = torch.from_numpy(np.fromfile(folder / "logits.f32", np.float32).reshape(PICTURES, -1))
    return ((model.eval()(images) - expected).abs().max() / expected.abs().max()).item()


def check(root):
    differences = {folder.name: difference(folder) for folder in sorted(root.iterdir())}
    wrong = [f"{name}: {value:.2g}" for name, value in differences.items() if not value < TOLERANCE]
    if wrong:
        sys.exit("timm computes otherwise: " + ", ".join(wrong))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["models", "options", "resized", "check"])
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if arguments.what == "check":
        with torch.no_grad():
            return check(arguments.folder)
    known = json.loads(FACTS.read_text())
    if known["timm"] != timm.__version__:
        sys.exit(f"timm {timm.__version__} is here, {FACTS} was written with {known['timm']}")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        make = {"models": make_models, "options": make_options, "resized": make_resized}[arguments.what]
        make(arguments.folder, known["architectures"])


if __name__ == "__main__":
    main()
