#!/usr/bin/python3
"""Files that torch.save writes: `torch_files.py FOLDER`. Each holds the tensors of expected.safetensors, or is no state_dict."""

import argparse
import os
import pathlib
import zipfile
from collections import OrderedDict

import torch

from vit import write_safetensors


class Harmful:
    def __reduce__(self):
        return os.system, ("touch harmed",)


def state():
    torch.manual_seed(3)
    whole = torch.randn(6, 4)
    tensors = OrderedDict(
        plain=torch.randn(3, 5), turned=torch.randn(4, 3).t(), row=whole[2], column=whole[:, 1], number=torch.tensor(2.5),
        half=torch.randn(7).half(), brain=torch.randn(7).bfloat16(), double=torch.randn(2).double(), none=torch.zeros(0, 4))
    tensors["parameter"] = torch.nn.Parameter(torch.randn(2, 2))
    return tensors


def rewritten(source, to, change):
    """A copy of a file with the content of each entry changed; none: left out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(to, "w") as new:
        for name in old.namelist():
            content = change(name.split("/", 1)[1], old.read(name))
            if content is not None:
                new.writestr(name, content)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    tensors = state()
    write_safetensors(folder / "expected.safetensors", {name: t.detach().float().contiguous() for name, t in tensors.items()})
    torch.save(tensors, folder / "bare.pth")
    torch.save(tensors, folder / "protocol4.pth", pickle_protocol=4)
    torch.save({"epoch": 3, "loss": 0.5, "model": tensors}, folder / "within.pth")
    torch.save({"plain": tensors["plain"], "counts": torch.arange(3), "epoch": 3}, folder / "beside.pth")
    torch.save({"state_dict": tensors, "args": Harmful()}, folder / "harmful.pth")
    torch.save(tensors, folder / "old.pth", _use_new_zipfile_serialization=False)
    torch.save([1, 2], folder / "list.pth")
    torch.save({"epoch": 3}, folder / "empty.pth")
    rewritten(folder / "bare.pth", folder / "short.pth", lambda name, content: content[:-4] if name == "data/0" else content)
    rewritten(folder / "bare.pth", folder / "missing.pth", lambda name, content: None if name == "data/0" else content)
    rewritten(folder / "bare.pth", folder / "big.pth", lambda name, content: b"big" if name == "byteorder" else content)
    with zipfile.ZipFile(folder / "big.pth", "a") as archive:
        if "bare/byteorder" not in archive.namelist():
            archive.writestr("bare/byteorder", "big")
    with zipfile.ZipFile(folder / "bare.pth") as archive:
        (folder / "data.pkl").write_bytes(archive.read("bare/data.pkl"))
    (folder / "text.pth").write_text("no archive")


if __name__ == "__main__":
    main()
