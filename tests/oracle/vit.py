#!/usr/bin/python3
"""A Vision Transformer in plain PyTorch with timm's tensor names, written apart from the C++ one, to test it.

  vit.py random CONFIG.json FOLDER            a model folder of random weights; the config's key "storage" is their
                                              type (F32, F16 or BF16)
  vit.py variants FOLDER                      the same in every FOLDER/*/ that holds a config.json, with a random
                                              input.f32, its logits.f32 and gradients.safetensors: those of the mean
                                              cross-entropy with label i % classes for picture i
  vit.py logits MODEL INPUT.f32 OUT.f32       raw float32 [B, 3, H, W] -> [B, classes]
  vit.py eval MODEL DATA CLASSES.csv          top-1 and top-5, as JSON
  vit.py bench MODEL [--threads N] [--batch N] [--repeats N]    pictures a second, as JSON
"""

import argparse
import csv
import json
import math
import re
import struct
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

DEFAULTS = {
    "img_size": [224, 224], "patch_size": [16, 16], "embed_dim": 192, "depth": 12, "num_heads": None,
    "mlp_ratio": 4.0, "qkv_bias": True, "init_values": None, "class_token": True, "no_embed_class": False,
    "reg_tokens": 0, "pre_norm": False, "fc_norm": None, "act_layer": "gelu",
}
FAMILIES = {"tiny": (192, 3), "small": (384, 6), "base": (768, 12), "large": (1024, 16), "huge": (1280, 16)}
NUMPY = {"F32": np.float32, "F16": np.float16, "F64": np.float64, "I64": np.int64, "U8": np.uint8}


def read_safetensors(path):
    content = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        data = content[begin:end]
        if entry["dtype"] == "BF16":  # the upper half of a float32
            values = (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.frombuffer(data, NUMPY[entry["dtype"]])
        tensors[name] = torch.from_numpy(values.astype(np.float32).reshape(entry["shape"]).copy())
    return tensors


def write_safetensors(path, tensors, dtype="F32"):
    header, blobs, offset = {}, [], 0
    for name, tensor in tensors.items():
        if dtype == "BF16":
            blob = tensor.bfloat16().view(torch.int16).numpy().tobytes()
        else:
            blob = tensor.numpy().astype(NUMPY[dtype]).tobytes()
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


ACTIVATIONS = {"gelu": nn.GELU, "gelu_tanh": lambda: nn.GELU(approximate="tanh"), "quick_gelu": QuickGELU,
               "relu": nn.ReLU}


class PatchEmbed(nn.Module):
    def __init__(self, patch_size, dim, bias):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=patch_size, stride=patch_size, bias=bias)

    def forward(self, images):
        return self.proj(images).flatten(2).transpose(1, 2)


class LayerScale(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return x * self.gamma


class Attention(nn.Module):
    def __init__(self, dim, heads, qkv_bias):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        attention = (q @ k.transpose(-2, -1)) * (d // self.heads) ** -0.5
        x = (attention.softmax(dim=-1) @ v).transpose(1, 2).reshape(b, n, d)
        return self.proj(x)


class Mlp(nn.Module):
    def __init__(self, dim, hidden, activation):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = ACTIVATIONS[activation]()
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, options, eps):
        super().__init__()
        dim = options["embed_dim"]
        scale = (lambda: LayerScale(dim)) if options["init_values"] is not None else nn.Identity
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.attn = Attention(dim, options["num_heads"], options["qkv_bias"])
        self.ls1 = scale()
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.mlp = Mlp(dim, int(round(dim * options["mlp_ratio"])), options["act_layer"])
        self.ls2 = scale()

    def forward(self, x):
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class VisionTransformer(nn.Module):
    def __init__(self, options, classes, pool, eps):
        super().__init__()
        dim, (height, width), (ph, pw) = options["embed_dim"], options["img_size"], options["patch_size"]
        parameter = lambda count: nn.Parameter(torch.zeros(1, count, dim))
        self.options, self.pool = options, pool
        self.patch_embed = PatchEmbed((ph, pw), dim, bias=not options["pre_norm"])
        self.prefix = 0
        for name, count in (("cls_token", int(options["class_token"])), ("dist_token", int(options["distilled"])),
                            ("reg_token", options["reg_tokens"])):
            setattr(self, name, parameter(count) if count else None)
            self.prefix += count
        patches = (height // ph) * (width // pw)
        self.pos_embed = parameter(patches if options["no_embed_class"] else patches + self.prefix)
        self.norm_pre = nn.LayerNorm(dim, eps=eps) if options["pre_norm"] else nn.Identity()
        self.blocks = nn.Sequential(*(Block(options, eps) for _ in range(options["depth"])))
        after_pool = pool == "avg" and options["fc_norm"] is not False
        self.norm = nn.Identity() if after_pool else nn.LayerNorm(dim, eps=eps)
        self.fc_norm = nn.LayerNorm(dim, eps=eps) if after_pool else nn.Identity()
        self.head = nn.Linear(dim, classes) if classes else nn.Identity()
        if options["distilled"]:
            self.head_dist = nn.Linear(dim, classes) if classes else nn.Identity()

    def forward(self, images):
        x = self.patch_embed(images)
        if self.options["no_embed_class"]:
            x = x + self.pos_embed
        tokens = [t.expand(len(x), -1, -1) for t in (self.cls_token, self.dist_token, self.reg_token) if t is not None]
        x = torch.cat(tokens + [x], dim=1)
        if not self.options["no_embed_class"]:
            x = x + self.pos_embed
        x = self.norm(self.blocks(self.norm_pre(x)))
        if self.pool == "avg":
            return self.head(self.fc_norm(x[:, self.prefix :].mean(dim=1)))
        if self.options["distilled"]:
            return (self.head(x[:, 0]) + self.head_dist(x[:, 1])) / 2
        return self.head(x[:, 0])


def build(config):
    options = DEFAULTS | config.get("model_args", {})
    patch = re.search(r"_patch(\d+)", config["architecture"])
    if "patch_size" not in config.get("model_args", {}) and patch:
        options["patch_size"] = int(patch[1])
    for size in ("img_size", "patch_size"):
        if isinstance(options[size], int):
            options[size] = [options[size]] * 2
    for word, (dim, heads) in FAMILIES.items():
        if "model_args" not in config and word in config["architecture"].split("_"):
            options |= {"embed_dim": dim, "num_heads": heads}
            options["img_size"] = config["pretrained_cfg"]["input_size"][1:]
    options["distilled"] = "distilled" in config["architecture"].split("_")
    options["num_heads"] = options["num_heads"] or options["embed_dim"] // 64
    return VisionTransformer(options, config["num_classes"], config.get("global_pool", "token"),
                             config.get("norm_eps", 1e-6))


def load(folder):
    """The network of a timm model folder, and its config."""
    folder = Path(folder)
    config = json.loads((folder / "config.json").read_text())
    model = build(config)
    model.load_state_dict(read_safetensors(folder / "model.safetensors"))
    return model.eval(), config


def make_random(config, folder):
    """A model folder whose every tensor, gamma and beta included, is random and matters to the logits."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, tensor in build(config).state_dict().items():
        noise = torch.randn(tensor.shape, generator=generator)
        if tensor.dim() == 1:
            tensors[name] = 0.2 * noise + (1.0 if "norm" in name and name.endswith("weight") or "gamma" in name else 0.0)
        else:
            tensors[name] = noise / math.sqrt(tensor[0].numel()) if "weight" in name else 0.5 * noise
    write_safetensors(folder / "model.safetensors", tensors, config.get("storage", "F32"))
    (folder / "config.json").write_text(json.dumps(config, indent=2))


def read_images(path, config):
    _, height, width = config["pretrained_cfg"]["input_size"]
    return torch.from_numpy(np.fromfile(path, np.float32).reshape(-1, 3, height, width))


def gradients(model, images):
    logits = model(images)
    labels = torch.arange(len(images)) % logits.shape[1]
    nn.functional.cross_entropy(logits, labels).backward()
    return {name: p.grad for name, p in model.named_parameters()}


def make_variants(root):
    for path in sorted(Path(root).glob("*/config.json")):
        folder = path.parent
        make_random(json.loads(path.read_text()), folder)
        model, config = load(folder)
        images = torch.randn(5, *config["pretrained_cfg"]["input_size"], generator=torch.Generator().manual_seed(1))
        images.numpy().tofile(folder / "input.f32")
        model(images).detach().numpy().tofile(folder / "logits.f32")
        write_safetensors(folder / "gradients.safetensors", gradients(model, images))


def preprocess(path, cfg):
    from PIL import Image

    _, height, width = cfg["input_size"]
    filters = {"bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR}
    image = Image.open(path).convert("RGB")
    shorter = math.floor(height / cfg["crop_pct"])
    w, h = image.size
    size = (shorter, int(shorter * h / w)) if w <= h else (int(shorter * w / h), shorter)
    image = image.resize(size, filters[cfg["interpolation"]])
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    pixels = np.asarray(image.crop((left, top, left + width, top + height)), np.float32) / 255
    return torch.from_numpy((pixels - np.float32(cfg["mean"])) / np.float32(cfg["std"])).permute(2, 0, 1)


def evaluate(model, cfg, data, classes, batch=32):
    with open(classes, newline="") as file:
        index = {row["wnid"]: int(row["class_index"]) for row in csv.DictReader(file)}
    pictures = [(path, index[path.parent.name]) for path in sorted(Path(data).glob("*/*")) if path.is_file()]
    hits = np.zeros(2, int)
    with torch.no_grad():
        for start in range(0, len(pictures), batch):
            chunk = pictures[start : start + batch]
            best = model(torch.stack([preprocess(path, cfg) for path, _ in chunk])).topk(5).indices
            right = best == torch.tensor([label for _, label in chunk])[:, None]
            hits += [int(right[:, 0].sum()), int(right.any(1).sum())]
    return {"top1": hits[0] / len(pictures), "top5": hits[1] / len(pictures), "images": len(pictures)}


def measure(model, cfg, batch, repeats):
    images = torch.randn(batch, *cfg["input_size"], generator=torch.Generator().manual_seed(0))
    rates = []
    with torch.no_grad():
        model(images)
        for _ in range(repeats):
            start = time.perf_counter()
            model(images)
            rates.append(batch / (time.perf_counter() - start))
    return {"images_per_second": float(np.median(rates))}


def set_threads(count):
    """In PyTorch and in OpenBLAS, which keeps a pool of its own."""
    import ctypes

    torch.set_num_threads(count)
    try:
        ctypes.CDLL("libopenblas.so.0").openblas_set_num_threads(count)
    except OSError:
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name, *positional):
        sub = commands.add_parser(name)
        for argument in positional:
            sub.add_argument(argument)
        return sub

    command("random", "config", "folder")
    command("variants", "folder")
    command("logits", "model", "input", "output")
    command("eval", "model", "data", "classes")
    bench = command("bench", "model")
    bench.add_argument("--threads", type=int, default=2)
    bench.add_argument("--batch", type=int, default=32)
    bench.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    if arguments.command == "random":
        make_random(json.loads(Path(arguments.config).read_text()), arguments.folder)
        return
    if arguments.command == "variants":
        make_variants(arguments.folder)
        return
    model, config = load(arguments.model)
    if arguments.command == "logits":
        with torch.no_grad():
            model(read_images(arguments.input, config)).numpy().tofile(arguments.output)
    elif arguments.command == "eval":
        json.dump(evaluate(model, config["pretrained_cfg"], arguments.data, arguments.classes), sys.stdout)
    else:
        set_threads(arguments.threads)
        json.dump(measure(model, config["pretrained_cfg"], arguments.batch, arguments.repeats), sys.stdout)


if __name__ == "__main__":
    main()
