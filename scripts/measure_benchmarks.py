#!/usr/bin/env python3
"""Measures the search and the capture, and writes a Markdown page.

    scripts/measure_benchmarks.py --model DEIT --pictures DIR --page docs/benchmarks.md [--peers PEERS.md] [--bin build/release/bin]

Needs an idle machine, some five minutes. The search runs on the mappings in examples/. PEERS.md is what
benchmarks/search_peers.py printed.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import subprocess
import tempfile

from answers import cpu
from fronts import summary

ROOT = pathlib.Path(__file__).resolve().parent.parent
CURVE = (1, 2, 5, 10, 20, 50)
VARIANTS = {
    "four islands": ["--islands", 4],
    "from the closed forms": ["--seed-closed-forms"],
    "constants of three digits": ["--digits", 3],
    "random search of as many evaluations": ["--random-search", "--generations", 75],
    "published settings": ["--function-set", "paper", "--measure", "count", "--tail-penalty", 0.005],
    "published settings, weighted pairs": ["--function-set", "paper", "--tail-penalty", 0.005],
}


def answer(*command):
    return json.loads(subprocess.run(map(str, command), check=True, stdout=subprocess.PIPE, text=True).stdout)


def searched(program, options):
    """The seconds of one evolve on the example mappings and what its fronts say."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(ROOT / "examples" / "deit_tiny.ngm", pathlib.Path(folder) / "mappings.ngm")
        seconds = answer(program, "evolve", folder, "--json", *options)["seconds"]
        return {"seconds": seconds, **summary(json.loads((pathlib.Path(folder) / "fronts.json").read_text()))}


def search_rows(runs):
    return "\n".join(
        f"| {name} | {r['seconds']:.1f} | {r['evaluations'] / 1e6:.1f} | {r['evaluations'] / r['seconds'] / 1e3:.0f} | "
        f"{r['median_gap']:.3f} | {r['worst_gap']:.3f} | {r['below_closed_form']} | {r['cheaper_and_better']} of {r['sites']} |"
        for name, r in runs.items()
    )


def benchmark_rows(report):
    def number(value):
        return "" if value is None else f"{value:.3g}"

    return "\n".join(
        f"| {b['name'].replace('/real_time', '')} | {b['real_time']:.4g} {b['time_unit']} | {number(b.get('evaluations'))} | {number(b.get('node_rows'))} |"
        for b in report["benchmarks"]
    )


def page(a):
    binary = pathlib.Path(a.bin)
    program = binary / "normgraft"
    report = answer(binary / "search_benchmark", "--benchmark_format=json")
    capture = answer(binary / "capture_cost", a.model, a.pictures)
    curve = {f"{g} generation{'s' if g > 1 else ''}": searched(program, ["--generations", g]) for g in CURVE}
    variants = {name: searched(program, options) for name, options in VARIANTS.items()}
    version = subprocess.run([program, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    header = "| search | seconds | million evaluations | thousand a second | gap closed, median | worst | sites below | cheaper and better |\n" + "|---" * 8 + "|"
    backwards = f"a forward and {capture['probes']} activation-only backwards"
    peers = pathlib.Path(a.peers).read_text() if a.peers else ""
    return f"""# Benchmarks

normgraft {version}, {datetime.date.today()}, {cpu()}, {os.cpu_count()} cores, {platform.freedesktop_os_release()['PRETTY_NAME']}. Written by
`scripts/measure_benchmarks.py`; the machine did nothing else.

## The search on DeiT-Tiny

All 25 norm sites, 5 seeds each, 2 threads, on the mappings in `examples/` (Fisher weights, 750 pictures). Gap closed is
(R^2 - best closed form's) / (ceiling - best closed form's) of each front's most accurate function, weighted, on the pictures
held out, at most 1; nothing starts from the closed forms unless it says so. "Cheaper and better": some function of the front beats the
best closed form at no higher cost. Evaluations are of one candidate over all samples, those of fits counted one by one.

{header}
{search_rows(curve)}

Fifty generations are the default. Variants of it:

{header}
{search_rows(variants)}

## Capture

{capture['pictures']} pictures in memory, 2 threads, medians of runs in turn.

| what | seconds | ratio |
|---|---|---|
| forward pass | {capture['forward']:.2f} | |
| capture, no weights | {capture['capture_none']:.2f} | {capture['capture_none'] / capture['forward']:.2f} of the forward pass |
| {backwards} | {capture['forward_and_backwards']:.2f} | |
| capture, Fisher weights of {capture['probes']} label samples | {capture['capture_fisher']:.2f} | {capture['capture_fisher'] / capture['forward_and_backwards']:.2f} of that |

## Parts

Synthetic pairs; rates a second, of one core except in `search`, which runs ten generations.

| benchmark | time | evaluations/s | node-rows/s |
|---|---|---|---|
{benchmark_rows(report)}

{peers}"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "pictures", "page"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--peers")
    parser.add_argument("--bin", default="build/release/bin")
    a = parser.parse_args()
    pathlib.Path(a.page).write_text(page(a))


if __name__ == "__main__":
    main()
