#!/usr/bin/env python3
"""Measures networks of integers and writes a Markdown page.

    scripts/measure_integers.py --models DEIT VIT examples/shapes_vit --runs RUNS -o OUT --judge DIR --classes CSV \
        --page docs/integer_results.md

Each model has its run in RUNS/<name>, as `normgraft run` leaves it, or in RUNS/<name>/seed1. Its graft and the model
itself, which keeps its LayerNorms, become integers by pictures of that run, and are judged beside their float32. The run
of the embedded model is that of `normgraft demo`; it is judged on the demo's own pictures. --everywhere FILE and --peers
FILE are what benchmarks/integer_everywhere.py and benchmarks/integer_peers.py printed. Answers are kept in
OUT/<name>.json, so that an interrupted measurement goes on. A quarter of an hour for each model.
"""

import argparse
import datetime
import json
import os
import pathlib
import subprocess

from answers import Answers, cpu

FORMATS = {"W8A8, stream int16": (8, 16), "W8A8, stream int8": (8, 8), "W8A16, stream int16": (16, 16)}


class Measurement(Answers):
    def __init__(self, arguments, model):
        self.a = arguments
        self.model = model
        self.name = model.name
        self.demo = model.name == "shapes_vit"
        run = arguments.runs / self.name
        self.run = run / "seed1" if (run / "seed1").exists() else run
        self.out = arguments.output
        super().__init__(arguments.bin / "normgraft", self.out / f"{self.name}.json")

    def judge(self, model):
        data = ["--data", self.run / "pictures" / "val"] if self.demo else ["--data", self.a.judge, "--classes", self.a.classes]
        return self.normgraft("eval", model, "--teacher", self.model, *data)

    def folder(self, network, bits):
        return self.out / f"{self.name}-{network.lower()}-a{bits[0]}s{bits[1]}"

    def integers(self, network, model, bits):
        folder = self.folder(network, bits)
        self.normgraft("quantize", model, "--data", self.run, "--activations", bits[0], "--stream", bits[1], "-o", folder)
        config = json.loads((folder / "config.json").read_text())
        wide = [place for place, o in config["origin"]["operands"].items() if o["bits"] > 8]
        return {"eval": self.judge(folder), "cost": self.normgraft("cost", folder), "wide": wide if bits[0] == 8 else []}

    def measure(self):
        self.out.mkdir(parents=True, exist_ok=True)
        for network, model in {"LayerNorm": self.model, "graft": self.run / "grafted"}.items():
            self.once(f"{network}, float32", lambda: {"eval": self.judge(model)})
            for name, bits in FORMATS.items():
                self.once(f"{network}, {name}", lambda: self.integers(network, model, bits))


def interval(answer, key, scale, digits):
    low, high = answer[key + "_interval"]
    return f"{scale * answer[key]:.{digits}f} [{scale * low:.{digits}f}, {scale * high:.{digits}f}]"


def accuracy_table(m):
    lines = ["| arithmetic | network | top-1 % | agreement % | KL, nats |", "|---" * 5 + "|"]
    for name in ["float32", *FORMATS]:
        for network in ("LayerNorm", "graft"):
            e = m.known[f"{network}, {name}"]["eval"]
            lines.append(f"| {name} | {network} | {interval(e, 'top1', 100, 1)} | {interval(e, 'agreement', 100, 1)} | {interval(e, 'kl', 1, 3)} |")
    return "\n".join(lines)


def wide_sentence(m):
    parts = [f"{network}: {', '.join(wide)}" for network in ("LayerNorm", "graft")
             if (wide := m.known[f"{network}, W8A8, stream int16"]["wide"])]
    return f"With 16 bits where 8 lose more than 0.01 nats: {'; '.join(parts)}." if parts else "All that enters a Linear has 8 bits."


def cost_table(m):
    costs = {network: m.known[f"{network}, W8A8, stream int16"]["cost"] for network in ("LayerNorm", "graft")}
    kinds = sorted({kind for cost in costs.values() for kind in cost["all"]["operations"]})
    lines = ["| a picture, W8A8, stream int16 | norm sites, LayerNorm | norm sites, graft | all, LayerNorm | all, graft |", "|---" * 5 + "|"]
    for kind in kinds:
        counts = [costs[network][part]["operations"].get(kind, 0) for part in ("norm_sites", "all") for network in costs]
        lines.append(f"| {kind}, M | " + " | ".join(f"{count / 1e6:.3f}" for count in counts) + " |")
    moved = [costs[network][part]["bytes"] for part in ("norm_sites", "all") for network in costs]
    lines.append("| read and written by steps, MB | " + " | ".join(f"{count / 1e6:.2f}" for count in moved) + " |")
    return "\n".join(lines)


def everywhere_section(files):
    lines = ["| network | pictures | the same bytes in all five | arena, bytes | constants, bytes | code, bytes (-Os): x86-64, Arm 32, Arm 64 |", "|---" * 6 + "|"]
    for file in files:
        e = json.loads(file.read_text())
        code = ", ".join(str(size) for size in e["c"]["code_bytes"].values())
        lines.append(f"| {file.stem} | {e['pictures']} | {'yes' if e['same'] else 'NO'} | {e['c']['arena_bytes']} | {e['c']['constant_bytes']} | {code} |")
    return "\n".join(lines)


def peers_section(file):
    peers = json.loads(file.read_text())
    rates = {batch: p["pictures a second"] for batch, p in peers.items()}
    lines = ["| pictures a second | " + " | ".join(rates) + " |", "|---" * (1 + len(rates)) + "|"]
    lines += [f"| {name} | " + " | ".join(str(rate[name]) for rate in rates.values()) + " |" for name in next(iter(rates.values()))]
    lines += ["", "| ratio, median of the rounds | " + " | ".join(rates) + " |", "|---" * (1 + len(rates)) + "|"]
    ratios = {batch: p["ratios"] for batch, p in peers.items()}
    lines += [f"| {name} | " + " | ".join(str(ratio[name]) for ratio in ratios.values()) + " |" for name in next(iter(ratios.values()))]
    return "\n".join(lines)


def page(a, measurements):
    version = subprocess.run([a.bin / "normgraft", "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    parts = [
        "# Networks of integers, measured\n\n"
        f"normgraft {version}, {datetime.date.today()}, {cpu()}, {os.cpu_count()} cores. Written by `scripts/measure_integers.py`. No training; ranges by\n"
        "64 calibration pictures without labels. Agreement and KL are with the model in float32, with 95 % bootstrap intervals over\n"
        "pictures. Operations are counted from the program; weights have 8 bits."
    ]
    parts += [f"## {m.name}\n\n{accuracy_table(m)}\n\n{wide_sentence(m)}\n\n{cost_table(m)}" for m in measurements]
    if a.everywhere:
        parts.append("## The same everywhere\n\nInterpreter, engine, and C on x86-64 and on both Arms under qemu, by `benchmarks/integer_everywhere.py`.\n\n" + everywhere_section(a.everywhere))
    if a.peers:
        parts.append("## Beside ONNX Runtime\n\nDeiT-Tiny by `benchmarks/integer_peers.py`, processes in turn, 2 threads; `graft` and `norms` are the engine's.\n\n" + peers_section(a.peers))
    return "\n\n".join(parts) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path, nargs="+", required=True)
    parser.add_argument("--runs", type=pathlib.Path, required=True)
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    parser.add_argument("--judge", type=pathlib.Path, required=True)
    parser.add_argument("--classes", type=pathlib.Path, required=True)
    parser.add_argument("--page", type=pathlib.Path, required=True)
    parser.add_argument("--everywhere", type=pathlib.Path, nargs="*", default=[])
    parser.add_argument("--peers", type=pathlib.Path)
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/release/bin"))
    a = parser.parse_args()
    measurements = [Measurement(a, model) for model in a.models]
    for m in measurements:
        m.measure()
    a.page.write_text(page(a, measurements))


if __name__ == "__main__":
    main()
