#!/usr/bin/env python3
"""Measures what the parts of circuits take of a chip, and writes a profile for `--profile`.

    scripts/make_profile.py --target ice40 -o profiles/ice40.json

Each operation is made a unit by `normgraft circuit`, at codes of 8, 12 and 16 bits, and synthesised by Yosys. The area of a
part is found by least squares over all of them. Beside them it holds the LayerNorm unit for tokens of several widths,
whose buffer may be block RAM; --layernorm-only measures these alone and keeps the rest of the file. With --fmax, nextpnr
places and routes each unit too, which takes minutes.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import numpy

WIDTHS = [(8, 8), (12, 8), (16, 8), (16, 12)]  # of x and r, of y
# Each part several times, alone and as functions at norm sites have them.
FUNCTIONS = [
    "x*(1-0.75*r)", "x*max(1-r, 0.9-0.6*r)", "x*min(max(0.5-r, 0.25), 1.5)", "x*(1-r*(0.9-0.5*r))", "x*exp2(-0.44*r-r)",
    "x*exp2(-1.5*(r-0.05*r))", "min(max(1.5*x-0.25, 0.4*x), 2)", "1.1*log2(abs(0.7*x)+0.4)-0.3", "clip(0.4*x+0.1, -1, 1)+0.25*x",
    "x", "x+0.37", "x-0.61*x", "1.37*x", "0.7071*x", "0.123*x+0.4", "min(x, 0.75)", "max(x, 0.5*x)", "min(min(x, 0.5*x+0.5), 0.25*x+1)",
    "abs(x)", "clip(x, -1.3, 2.1)", "square(x)", "x*r", "x*(r+1)", "x/(abs(x)+1)", "1/(abs(x)+0.5)", "log2(abs(x)+0.6)",
    "1.5*log2(abs(x)+0.3)", "exp2(0.5*x)", "x*exp2(-r)", "tanh(x)", "sigmoid(x)", "erf(x)", "exp(0.5*x)", "rsqrt(abs(x)+0.5)",
]
LAYERNORM_WIDTHS = [64, 192, 384, 768]
TARGETS = {
    "ice40": {"unit": "LUT4", "synth": "synth_ice40 -nobram", "lut": r"SB_LUT4", "carry": r"SB_CARRY", "dsp": r"SB_MAC16", "register": r"SB_DFF\w*",
              "ram": r"SB_RAM40_4K\w*", "ram_bits": 4096},
    "ecp5": {"unit": "LUT4", "synth": "synth_ecp5 -nobram -abc9", "lut": r"LUT4", "carry": r"CCU2C", "dsp": r"MULT18X18D", "register": r"TRELLIS_FF",
             "ram": r"DP16KD", "ram_bits": 18432},
}


def version(tool):
    try:
        text = subprocess.run([tool, "--version"], check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    except FileNotFoundError:
        sys.exit(f"{tool} is not installed, expected Debian's package {tool}")
    return text.split("\n")[0].strip()


def synthesise(folder, module, target):
    """Cells of a module, by kind."""
    files = " ".join(str(f) for f in sorted(folder.glob("normgraft_*.v"))) + f" {folder / (module + '.v')}"
    script = f"read_verilog {files}; {target['synth']} -top {module}; tee -o {folder / 'stat'} stat"
    subprocess.run(["yosys", "-q", "-p", script], check=True, stdout=subprocess.DEVNULL)
    text = (folder / "stat").read_text()
    text = text[text.rindex("Number of cells:"):]

    def count(pattern):
        return sum(int(n) for n in re.findall(rf"^\s+{pattern}\s+(\d+)$", text, re.MULTILINE))

    counts = {key: count(target[key]) for key in ("lut", "carry", "dsp", "register")}
    counts["ram_bits"] = target["ram_bits"] * count(target["ram"])
    if target["unit"] == "LUT4" and "CCU2C" in target["carry"]:
        counts["lut"] += 2 * counts["carry"]  # a CCU2C is two LUTs of a slice
    return counts


def measure(program, function, widths, target, folder):
    """The parts and the cells of a function's unit; x from -4 to 4, r from -2 to 2, y from -4 to 4."""
    width, y = widths
    folder = pathlib.Path(folder) / f"{FUNCTIONS.index(function)}_{width}_{y}"
    words = [program, "circuit", function, "--x", f"{width}.{width - 3}", "--r", f"{width}.{width - 2}", "--y", f"{y}.{y - 3}",
             "--json", "-o", str(folder)]
    made = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return {"function": function, "width": width, "y": y, "parts": made["parts"], "clocks": made["clocks"], **synthesise(folder, made["module"], target)}


def measure_layernorm(program, width, target, folder):
    """The LayerNorm unit for tokens of so many channels, x of 16 bits and y of 8."""
    folder = pathlib.Path(folder) / f"layernorm_{width}"
    words = [program, "circuit", "--layernorm", str(width), "--x", "16", "--y", "8", "--json", "-o", str(folder)]
    made = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)
    cells = synthesise(folder, made["module"], {**target, "synth": target["synth"].replace(" -nobram", "")})
    print(f"LayerNorm of {width} channels: {cells['lut']} {target['unit']}, {cells['ram_bits']} bits of block RAM")
    return {"width": width, "lut": cells["lut"], "ram_bits": cells["ram_bits"], "clocks": made["clocks"]}


def with_layernorm(arguments, target, tool):
    """The profile that is there, with its LayerNorm units measured anew."""
    profile = json.loads(pathlib.Path(arguments.output).read_text())
    if profile["tools"] != tool:
        sys.exit(f"{arguments.output}: measured by {profile['tools']}, expected {tool}, which is here")
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(arguments.threads) as pool:
        units = list(pool.map(lambda width: measure_layernorm(arguments.program, width, target, folder), LAYERNORM_WIDTHS))
    measured = profile.pop("measured")
    return {**profile, "layernorm": units, "measured": measured}


def fit(measured, parts):
    """Area of one of each part, none below 0, so that the squared relative errors are least."""
    rows = numpy.array([[m["parts"][p] / m["lut"] for p in parts] for m in measured])
    area = numpy.zeros(len(parts))
    for _ in range(20000):  # one part after another, until none moves
        for i in range(len(parts)):
            column = rows[:, i]
            rest = 1 - rows @ area + column * area[i]
            area[i] = max(0.0, column @ rest / max(column @ column, 1e-12))
    return dict(zip(parts, map(float, area)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", choices=TARGETS, required=True)
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--layernorm-only", action="store_true")
    parser.add_argument("--program", default="build/release/bin/normgraft")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    target, tool = TARGETS[arguments.target], version("yosys") if shutil.which("yosys") else sys.exit("yosys is not installed, expected Debian's package yosys")
    output = pathlib.Path(arguments.output)
    if arguments.layernorm_only:
        output.write_text(json.dumps(with_layernorm(arguments, target, tool), indent=1) + "\n")
        return
    work = [(f, w) for f in FUNCTIONS for w in WIDTHS]
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(arguments.threads) as pool:
        measured = list(pool.map(lambda each: measure(arguments.program, *each, target, folder), work))
        layernorm = list(pool.map(lambda width: measure_layernorm(arguments.program, width, target, folder), LAYERNORM_WIDTHS))
    parts = fit(measured, list(measured[0]["parts"]))
    for m in measured:
        m["told"] = sum(m["parts"][p] * parts[p] for p in parts)
        print(f"{m['function']:<40} {m['width']:>2} bits, {m['y']:>2} out: {m['lut']:>5} {target['unit']}, told {m['told']:7.1f} ({m['told'] / m['lut'] - 1:+.2f}), "
              f"{m['carry']} carries, {m['dsp']} DSPs, {m['register']} registers")
    profile = {"name": arguments.target, "unit": target["unit"], "tools": tool, "command": target["synth"],
               "parts": {p: round(a, 4) for p, a in parts.items()},
               "layernorm": layernorm,
               "measured": [{k: m[k] for k in ("function", "width", "y", "lut", "carry", "dsp", "register", "clocks")} for m in measured]}
    output.write_text(json.dumps(profile, indent=1) + "\n")


if __name__ == "__main__":
    main()
