#!/usr/bin/env python3
"""Synthesises the units that `normgraft export --to verilog` writes, and writes a Markdown page.

    scripts/measure_hardware.py --graft 7=DIR 9=DIR 15=DIR --norms DIR -o OUT --page docs/hardware.md

--graft: a network of integers whose sites are x g(r), by the bits of its factor (quantize --factor); --norms: the same
network with its LayerNorms. Yosys maps each unit to iCE40 without DSP (synth_ice40; for scale and curve units -nobram,
so that tables are logic), nextpnr-ice40 places and routes it on an HX8K. Answers are kept in OUT/measured.json, so that an
interrupted measurement goes on. --activations N and --sites N: how many curve and norm units are measured, as they are
much alike. Some ten seconds a unit.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys

TOOLS = {"yosys": "yosys", "nextpnr-ice40": "nextpnr-ice40", "verilator": "verilator"}  # program: Debian package
HX8K = ["--hx8k", "--package", "ct256", "--freq", "100", "--seed", "1", "--pcf-allow-unconstrained"]
SECONDS = 900  # for one unit


def run(command, cwd):
    print("+", *map(str, command), flush=True)
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS)
    return done.returncode, done.stdout


def version(program):
    said = subprocess.run([program, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    return re.search(r"(Yosys|Version|Verilator) ([\w.+-]+)", said).group(2)


def synthesised(folder, unit):
    """Figures of one unit; `frequency` is missing where it does not fit."""
    module, kind = unit["module"], unit["kind"]
    options = "" if kind == "norm" else "-nobram "
    script = f"read_verilog {module}.v normgraft_product.v; synth_ice40 {options}-top {module} -json {module}.json; stat"
    code, said = run(["yosys", "-p", script], folder)
    if code != 0:
        sys.exit(f"yosys: {module}: {said[-500:]}")
    cells = {}
    for name, count in re.findall(r"^ +(SB_\w+) +(\d+)$", said[said.rfind("Printing statistics"):], re.MULTILINE):
        cells[name] = cells.get(name, 0) + int(count)
    figures = {
        "luts": cells.get("SB_LUT4", 0),
        "carries": cells.get("SB_CARRY", 0),
        "flip_flops": sum(count for name, count in cells.items() if name.startswith("SB_DFF")),
        "ram_bits": 4096 * sum(count for name, count in cells.items() if name.startswith("SB_RAM")),
        "clocks": unit["clocks_to_first_output"],
    }
    code, said = run(["nextpnr-ice40", *HX8K, "--json", f"{module}.json"], folder)
    cells_used = re.findall(r"ICESTORM_LC: +(\d+)/", said)
    frequency = re.findall(r"Max frequency for clock .*: ([\d.]+) MHz", said)
    if frequency:
        figures["frequency"] = float(frequency[-1])
    if cells_used:
        figures["logic_cells"] = int(cells_used[-1])
    return figures


class Measurement:
    def __init__(self, arguments):
        self.a = arguments
        self.out = arguments.output
        self.out.mkdir(parents=True, exist_ok=True)
        self.file = self.out / "measured.json"
        self.known = json.loads(self.file.read_text()) if self.file.exists() else {}

    def measure(self, name, folder, limits):
        """All units of a network of integers, at most limits[kind] of a kind: by module."""
        written = (self.out / name).resolve()
        code, said = run([self.a.bin / "normgraft", "export", folder, "--to", "verilog", "-o", written], None)
        if code != 0:
            sys.exit(said)
        units, seen = {}, {}
        for unit in json.loads((written / "units.json").read_text())["units"]:
            seen[unit["kind"]] = seen.get(unit["kind"], 0) + 1
            if seen[unit["kind"]] > limits.get(unit["kind"], 1000):
                continue
            key = f"{name}/{unit['module']}"
            if key not in self.known:
                self.known[key] = unit | synthesised(written, unit)
                self.file.write_text(json.dumps(self.known, indent=1))
            units[unit["module"]] = self.known[key]
        return units


def row(label, unit):
    frequency = f"{unit['frequency']:.0f}" if "frequency" in unit else "does not fit"
    return (f"| {label} | {unit['luts']} | {unit['carries']} | {unit['flip_flops']} | {unit.get('logic_cells', '')} "
            f"| {unit['ram_bits']} | {frequency} | {unit['clocks']} |")


HEAD = "| {} | LUT4 | carries | flip-flops | logic cells | block RAM bits | MHz | clocks to first output |\n|---|--:|--:|--:|--:|--:|--:|--:|"


def of_kind(units, kind):
    return [unit for unit in units.values() if unit["kind"] == kind]


def middle(units, figure):
    return statistics.median(unit[figure] for unit in units)


def tables(grafts, norms):
    norm = of_kind(norms, "norm")
    text = ["| unit | number | LUT4: least, median, most | median of LayerNorm / median | block RAM bits | clocks to first output |",
            "|---|--:|--:|--:|--:|--:|"]
    groups = {f"x g(r), factor of {bits} bits": of_kind(units, "scale") for bits, units in grafts.items()}
    groups["f(x), activations"] = of_kind(next(iter(grafts.values())), "curve")
    groups["LayerNorm"] = norm
    for label, units in groups.items():
        luts = [unit["luts"] for unit in units]
        text.append(f"| {label} | {len(units)} | {min(luts)}, {statistics.median(luts):g}, {max(luts)} "
                    f"| {middle(norm, 'luts') / statistics.median(luts):.2f} | {max(unit['ram_bits'] for unit in units)} "
                    f"| {max(unit['clocks'] for unit in units)} |")
    text.append("")
    for label, units in groups.items():
        text += [HEAD.format(label)] + [row(", ".join(unit["places"]), unit) for unit in units] + [""]
    return "\n".join(text)


def write_page(arguments, grafts, norms):
    """Puts the tables between the two marks of the page."""
    begin, end = "<!-- measured -->\n", "<!-- end of measured -->\n"
    page = arguments.page.read_text()
    if page.count(begin) != 1 or page.count(end) != 1:
        sys.exit(f"{arguments.page}: expected {begin.strip()} and {end.strip()} once each")
    tools = ", ".join(f"{program} {version(program)}" for program in TOOLS)
    stamp = f"{datetime.date.today()}, {tools}, {platform.machine()}, {os.cpu_count()} cores."
    before, after = page.split(begin)[0], page.split(end)[1]
    arguments.page.write_text(f"{before}{begin}\n{stamp}\n\n{tables(grafts, norms)}\n{end}{after}")


def named_folder(text):
    name, _, folder = text.partition("=")
    if not folder:
        raise argparse.ArgumentTypeError(f"{text}: expected BITS=DIR")
    return name, pathlib.Path(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graft", type=named_folder, nargs="+", required=True)
    parser.add_argument("--norms", type=pathlib.Path, required=True)
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    parser.add_argument("--page", type=pathlib.Path, required=True)
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/release/bin"))
    parser.add_argument("--activations", type=int, default=3)
    parser.add_argument("--sites", type=int, default=1000)
    arguments = parser.parse_args()
    for program, package in TOOLS.items():
        if subprocess.run(["which", program], stdout=subprocess.DEVNULL).returncode != 0:
            sys.exit(f"measure_hardware.py: {program} is missing, expected the Debian package {package}")
    measurement = Measurement(arguments)
    grafts = {}
    for i, (bits, folder) in enumerate(arguments.graft):
        limits = {"scale": arguments.sites, "curve": arguments.activations if i == 0 else 0}
        grafts[bits] = measurement.measure(f"graft-{bits}", folder, limits)
    norms = measurement.measure("norms", arguments.norms, {"norm": arguments.sites, "curve": 0})
    write_page(arguments, grafts, norms)


if __name__ == "__main__":
    main()
