"""Runs integer folders by docs/integer.md alone, in NumPy: python3 oracle.py FOLDER...

Each FOLDER holds a network and picture.i8, the codes pixel - 128. What every buffer holds at the end goes to FOLDER/buffers.i32, buffer after
buffer.
"""
import json
import pathlib
import struct
import sys

import numpy as np

DTYPES = {"I8": "<i1", "I16": "<i2", "I32": "<i4"}


def read_tensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        values = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"]).astype(np.int64)
    return tensors


def checksum(path):
    value = 0xCBF29CE484222325
    for byte in path.read_bytes():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def round_shift(v, s):
    v, s = np.asarray(v, np.int64), np.asarray(s, np.int64)
    half = np.where(s > 0, np.left_shift(np.int64(1), np.maximum(s - 1, 0)), 0)
    return (v + half) >> s


def rescale(v, by):
    return round_shift(np.asarray(v, np.int64) * by["multiplier"], by["shift"])


def leading_one(v):
    return int(v).bit_length() - 1


def fraction(v):
    return (int(v) * 2**16 >> leading_one(v)) - 2**16


def in_32_bits(v):
    assert np.abs(v).max() < 2**31, "a sum leaves 32 bits"
    return v


class Network:
    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text())
        assert self.config["format"] == "normgraft-integer" and self.config["version"] in (1, 2)
        assert self.config["checksum"] == checksum(folder / "model.safetensors")
        self.tensors = read_tensors(folder / "model.safetensors")
        self.about = {buffer["name"]: buffer for buffer in self.config["buffers"]}
        size = self.config["preprocessing"]
        self.picture = np.fromfile(folder / "picture.i8", np.int8).reshape(3, size["height"], size["width"])

    def run(self):
        self.buffers = {name: np.zeros((b["rows"], b["width"]), np.int64) for name, b in self.about.items()}
        for step in self.config["steps"]:
            getattr(self, step["kind"])(step)
        return np.concatenate([buffer.ravel() for buffer in self.buffers.values()])

    def clamp(self, name, v):
        most = 2 ** (self.about[name]["bits"] - 1)
        return np.clip(v, -most, most - 1)

    def curve_at(self, curve, q):
        knots = self.tensors[curve["knots"]]
        n, shift, low = len(knots) - 1, curve["shift"], curve["low"]
        d = np.clip(np.asarray(q, np.int64), low, low + n * 2**shift) - low
        i = np.minimum(d >> shift, n - 1)
        f = d - i * 2**shift
        left = knots[i].astype(np.int64)
        return round_shift(left * 2**shift + (knots[i + 1] - left) * f, shift + curve["fraction"])

    def patch(self, step):
        high, wide = step["patch_height"], step["patch_width"]
        down, across = step["height"] // high, step["width"] // wide
        seen = self.picture[:, : down * high, : across * wide].astype(np.int64)
        cut = seen.reshape(3, down, high, across, wide).transpose(1, 3, 0, 2, 4)
        self.buffers[step["to"]][:] = cut.reshape(down * across, 3 * high * wide)

    def fill(self, step):
        self.buffers[step["to"]][:] = self.tensors[step["tensor"]]

    def linear(self, step):
        read = self.buffers[step["from"]][: step["rows"]]
        a = in_32_bits(read @ self.tensors[step["weight"]].T + self.tensors[step["bias"]])
        v = round_shift(a * self.tensors[step["multiplier"]], self.tensors[step["shift"]]) + step["zero"]
        to = self.buffers[step["to"]][step["first_row"]: step["first_row"] + step["rows"]]
        to[:] = self.clamp(step["to"], to + v if step["adds"] else v)

    def scale(self, step):
        read = self.buffers[step["from"]][: step["rows"]]
        r_cut, x_cut = step.get("r_cut", 0), step.get("x_cut", 0)
        g = self.curve_at(step["g"], read[:, :1] >> r_cut)
        x = (read >> x_cut) * 2**x_cut + 2**x_cut // 2
        v = x * g >> step["shift"] if step.get("floors", False) else round_shift(x * g, step["shift"])
        written = self.clamp(step["to"], v)
        written[:, 0] = 0
        self.buffers[step["to"]][: step["rows"]] = written

    def curve(self, step):
        read = self.buffers[step["from"]][: step["rows"]]
        self.buffers[step["to"]][: step["rows"]] = self.clamp(step["to"], self.curve_at(step["f"], read))

    def norm(self, step):
        for n in range(step["rows"]):
            x = [int(v) for v in self.buffers[step["from"]][n]]
            m = [len(x) * v - sum(x) for v in x]
            big = step["eps"] + sum(v * v >> step["variance_shift"] for v in m)
            root = 0
            for bit in reversed(range(32)):
                if (root + 2**bit) ** 2 <= big:
                    root += 2**bit
            y = [round_shift(v * (2**46 // root), 26 + step["variance_shift"] // 2) for v in m]
            self.buffers[step["to"]][n] = self.clamp(step["to"], rescale(y, step["rescale"]))

    def first_spread(self, step):
        scale, number = self.tensors[step["scale"]], self.tensors[step["number"]]
        for n, row in enumerate(self.buffers[step["from"]]):
            total = int(number[n]) * 2 ** step["number_shift"]
            total += sum(int(s) * int(p) ** 2 for s, p in zip(scale, row))
            total = max(1, total)
            log = 2**16 * leading_one(total) + self.curve_at(step["log2"], fraction(total))
            self.buffers[step["to"]][n, 0] = self.clamp(step["to"], rescale(log, step["rescale"]) + step["zero"])

    def attention(self, step):
        read, to = self.buffers[step["from"]], self.buffers[step["to"]]
        wide = to.shape[1] // step["heads"]
        for h in range(step["heads"]):
            q, k, v = (read[:, part * to.shape[1] + h * wide:][:, :wide] for part in range(3))
            s = in_32_bits(q @ k.T)
            e = self.curve_at(step["exp"], s.max(1, keepdims=True) - s)
            a = in_32_bits(e @ v)
            for n, total in enumerate(in_32_bits(e.sum(1))):
                r = self.curve_at(step["reciprocal"], fraction(total))
                mixed = rescale(round_shift(a[n] * r, leading_one(total)), step["rescale"])
                to[n, h * wide:(h + 1) * wide] = self.clamp(step["to"], mixed)


for argument in sys.argv[1:]:
    folder = pathlib.Path(argument)
    Network(folder).run().astype("<i4").tofile(folder / "buffers.i32")
