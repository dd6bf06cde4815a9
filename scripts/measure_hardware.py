#!/usr/bin/env python3
"""Measures what norm sites take of a chip, and what the network then loses, and writes it into a page.

    scripts/measure_hardware.py --models DEIT VIT --calibration DIR --judge DIR --classes CSV -o OUT --page docs/hardware.md

For each model and each --carrier: the graft, its networks of integers (quantize --factor), the network of integers with
LayerNorms, one shape at all sites, and grafts whose functions were evolved as circuits. Yosys maps every unit to iCE40
without DSP; of the first model nextpnr-ice40 places the middle unit of each kind on an HX8K. Answers are kept
in OUT, so that an interrupted measurement goes on. A quarter of an hour for each model and carrier on two cores.
"""

import argparse
import concurrent.futures
import datetime
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys

from answers import Answers, cpu

TOOLS = {"yosys": "yosys", "nextpnr-ice40": "nextpnr-ice40"}  # program: Debian package
HX8K = ["--hx8k", "--package", "ct256", "--freq", "100", "--seed", "1", "--pcf-allow-unconstrained"]
SECONDS = 900  # for one unit
FACTORS = (6, 7, 9)  # bits of g
WITHIN = (0.01, 0.15)  # nats that a plan may lose before calibration
SHARED = {"channel": "exp", "mean": "log"}  # the shape of a unit that all sites share
MOST_ERROR = 2  # of circuits, in steps of y


def run(command, cwd=None):
    done = subprocess.run(list(map(str, command)), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS)
    return done.returncode, done.stdout


def version(program):
    said = subprocess.run([program, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    return re.search(r"(Yosys|Version) ([\w.+-]+)", said).group(2)


def synthesised(folder, unit):
    """Cells of a unit. Tables of all but LayerNorm are logic."""
    module = unit["module"]
    options = "" if unit["kind"] == "norm" else "-nobram "
    files = " ".join(sorted(each.name for each in folder.glob("normgraft_*.v")))
    script = f"read_verilog {module}.v {files}; synth_ice40 {options}-top {module} -json {module}.json; stat"
    code, said = run(["yosys", "-p", script], folder)
    if code != 0:
        sys.exit(f"yosys: {module}: {said[-500:]}")
    cells = {}
    for name, count in re.findall(r"^ +(SB_\w+) +(\d+)$", said[said.rfind("Printing statistics"):], re.MULTILINE):
        cells[name] = cells.get(name, 0) + int(count)
    return {"luts": cells.get("SB_LUT4", 0), "carries": cells.get("SB_CARRY", 0),
            "flip_flops": sum(count for name, count in cells.items() if name.startswith("SB_DFF")),
            "ram_bits": 4096 * sum(count for name, count in cells.items() if name.startswith("SB_RAM"))}


def placed(folder, module):
    """MHz on an HX8K; nothing where it does not fit."""
    _, said = run(["nextpnr-ice40", *HX8K, "--json", f"{module}.json"], folder)
    frequency = re.findall(r"Max frequency for clock .*: ([\d.]+) MHz", said)
    return float(frequency[-1]) if frequency else None


class Case(Answers):
    """One model with one carrier."""

    def __init__(self, arguments, model, carrier):
        self.a, self.model, self.carrier = arguments, model, carrier
        self.name = f"{model.name.split('.')[0]}-{carrier}"
        self.out = arguments.output / self.name
        self.out.mkdir(parents=True, exist_ok=True)
        super().__init__(arguments.program, self.out / "known.json")

    def captured(self):
        run_folder = self.out / "run"
        options = ["--data", self.a.calibration, "--pictures", self.a.pictures, "--carrier", self.carrier]
        self.once("capture", lambda: self.normgraft("capture", self.model, *options, "-o", run_folder))
        return run_folder

    def searched(self, name, *options):
        """A run of the same capture, evolved with these options."""
        def work():
            shutil.rmtree(self.out / name, ignore_errors=True)
            shutil.copytree(self.captured(), self.out / name)
            return self.normgraft("evolve", self.out / name, *options)
        self.once(f"evolve {name}", work)
        return self.out / name

    def graft(self, name, run_folder, *options):
        """The graft of a plan: select with these options."""
        folder = self.out / f"graft-{name}"
        def work():
            self.normgraft("select", run_folder, *options)
            self.normgraft("graft", run_folder)
            shutil.rmtree(folder, ignore_errors=True)
            shutil.move(run_folder / "grafted", folder)
            return True
        self.once(f"graft {name}", work)
        return folder

    def judged(self, name, model, *options):
        """The network of integers of a model, and what it loses."""
        folder = self.out / f"integers-{name}"
        def work():
            self.normgraft("quantize", model, "--data", self.captured(), "-o", folder, *options)
            pictures = ["--data", self.a.judge, "--classes", self.a.classes]
            answer = self.normgraft("eval", folder, *pictures, "--teacher", self.model)
            return {key: value for key, value in answer.items() if key.startswith(("top1", "agreement", "kl"))}
        return folder, self.once(f"judged {name}", work)

    def units(self, name, model, *options):
        """Every unit of its norm sites, synthesised."""
        folder = self.out / f"verilog-{name}"
        def work():
            self.normgraft("export", model, "--to", "verilog", "-o", folder, *options)
            sites = set(self.normgraft("inspect", self.model)["sites"])
            units = json.loads((folder / "units.json").read_text())["units"]
            units = [unit for unit in units if sites & set(unit["places"])]
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                cells = list(pool.map(lambda unit: synthesised(folder, unit), units))
            return [unit | each for unit, each in zip(units, cells)]
        return self.once(f"units {name}", work)

    def measure(self):
        rows = {}

        def add(label, name, integers, units_of, *options):
            rows[label] = {"loss": integers[1], "units": self.units(name, units_of, *options), "folder": f"verilog-{name}"}

        norms = self.judged("norms", self.model)
        add("LayerNorm", "norms", norms, norms[0])
        run_folder = self.searched("functions")
        graft = self.graft("functions", run_folder)
        if self.carrier == "channel":
            for bits in FACTORS:
                integers = self.judged(f"factor-{bits}", graft, "--factor", bits)
                what = "table of upper bits of r" if bits <= 8 else "pieces"
                add(f"x g(r), {what}, g of {bits} bits", f"factor-{bits}", integers, integers[0])
        else:
            for stream, what in ((16, "pieces"), (8, "table of 256 entries, stream of 8 bits")):
                integers = self.judged(f"stream-{stream}", graft, "--stream", stream)
                add(f"f(x), {what}", f"stream-{stream}", integers, integers[0])
        shape = SHARED[self.carrier]
        shared = self.graft(shape, run_folder, "--strategy", f"shape:{shape}")
        add(f"{shape} at all sites, as a circuit", shape, self.judged(shape, shared), shared, "--most-error", MOST_ERROR)
        circuits = self.searched("circuits", "--profile", "ice40", "--function-set", "circuit", "--constants", "csd:2")
        for nats in WITHIN:
            evolved = self.graft(f"within-{nats}", circuits, "--within", nats)
            add(f"evolved circuits, within {nats} nats", f"within-{nats}", self.judged(f"within-{nats}", evolved), evolved,
                "--most-error", MOST_ERROR)
        return rows

    def frequencies(self, rows):
        """MHz of the middle unit of each row."""
        units = {label: sorted(row["units"], key=lambda unit: unit["luts"]) for label, row in rows.items()}
        middle = {label: of_row[len(of_row) // 2]["module"] for label, of_row in units.items()}
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            work = {label: pool.submit(placed, self.out / rows[label]["folder"], middle[label])
                    for label in rows if f"placed {label}" not in self.known}
            for label, each in work.items():
                self.once(f"placed {label}", each.result)
        return {label: self.known[f"placed {label}"] for label in rows}


def total(row):
    return sum(unit["luts"] * len(unit["places"]) for unit in row["units"])


def spread(numbers):
    return f"{min(numbers)}, {statistics.median(numbers):g}, {max(numbers)}"


def with_interval(loss, key, digits):
    low, high = loss[key + "_interval"]
    return f"{loss[key]:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def loss_table(rows):
    of_norms = total(rows["LayerNorm"])
    text = ["| units | LUT4 of all sites | of LayerNorm's | top-1 % | agreement | KL, nats |", "|---|--:|--:|--:|--:|--:|"]
    for label, row in rows.items():
        loss = row["loss"]
        text.append(f"| {label} | {total(row)} | {total(row) / of_norms:.2f} | {100 * loss['top1']:.1f} "
                    f"| {with_interval(loss, 'agreement', 3)} | {with_interval(loss, 'kl', 4)} |")
    return "\n".join(text)


def unit_table(case, rows):
    text = ["| units | distinct | LUT4: least, median, most | carries | flip-flops | block RAM bits | clocks to first output | MHz |",
            "|---|--:|--:|--:|--:|--:|--:|--:|"]
    frequencies = case.frequencies(rows)
    for label, row in rows.items():
        units = row["units"]
        cells = [spread([unit[key] for unit in units]) for key in ("luts", "carries", "flip_flops")]
        cells += [str(max(unit[key] for unit in units)) for key in ("ram_bits", "clocks_to_first_output")]
        mhz = f"{frequencies[label]:.0f}" if frequencies[label] else "does not fit"
        text.append(f"| {label} | {len(units)} | {' | '.join(cells)} | {mhz} |")
    return "\n".join(text)


def write_page(a, cases):
    """Puts the tables between the two marks of the page."""
    begin, end = "<!-- measured -->\n", "<!-- end of measured -->\n"
    page = a.page.read_text()
    if page.count(begin) != 1 or page.count(end) != 1:
        sys.exit(f"{a.page}: expected {begin.strip()} and {end.strip()} once each")
    tools = ", ".join(f"{program} {version(program)}" for program in TOOLS)
    text = f"\n{datetime.date.today()}, {tools}, {cpu()}, {os.cpu_count()} cores; {a.pictures} calibration pictures without labels.\n"
    for i, (case, rows) in enumerate(cases):
        text += f"\n### {case.name.rsplit('-', 1)[0]}, carrier {case.carrier}\n\n{loss_table(rows)}\n"
        if i == 0:
            text += f"\n{unit_table(case, rows)}\n"
    before, after = page.split(begin)[0], page.split(end)[1]
    a.page.write_text(f"{before}{begin}{text}\n{end}{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path, nargs="+", required=True)
    parser.add_argument("--carriers", nargs="+", choices=SHARED, default=["channel"])
    parser.add_argument("--calibration", type=pathlib.Path, required=True)
    parser.add_argument("--judge", type=pathlib.Path, required=True)
    parser.add_argument("--classes", type=pathlib.Path, required=True)
    parser.add_argument("--pictures", type=int, default=250, help="for calibration")
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    parser.add_argument("--page", type=pathlib.Path, required=True)
    parser.add_argument("--program", type=pathlib.Path, default=pathlib.Path("build/release/bin/normgraft"))
    arguments = parser.parse_args()
    for program, package in TOOLS.items():
        if shutil.which(program) is None:
            sys.exit(f"measure_hardware.py: {program} is missing, expected the Debian package {package}")
    cases = [Case(arguments, model, carrier) for carrier in arguments.carriers for model in arguments.models]
    write_page(arguments, [(case, case.measure()) for case in cases])


if __name__ == "__main__":
    main()
