#!/usr/bin/env python3
"""Measures the pipeline on a real model and writes a Markdown page.

    scripts/measure_pipeline.py --model DEIT --calibration DIR --judge DIR --classes CSV -o RUN --page docs/results.md

Every figure comes from the `normgraft` program (build/release/bin/normgraft, or --program); this script runs it,
keeps its JSON answers in RUN/measured.json, so that an interrupted measurement goes on, and prints tables.
"""

import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import time

SHAPES = ["line", "clip5", "clip", "tanh", "scaled-tanh", "erf", "isru", "softsign"]


class Measurement:
    def __init__(self, arguments):
        self.a = arguments
        self.run = pathlib.Path(arguments.output)
        self.file = self.run / "measured.json"
        self.known = json.loads(self.file.read_text()) if self.file.exists() else {}

    def normgraft(self, *words):
        """The JSON answer of one command, and its seconds."""
        command = [self.a.program, *map(str, words), "--json"]
        print("+", " ".join(command), flush=True)
        start = time.monotonic()
        answer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        return {"answer": answer, "seconds": time.monotonic() - start}

    def once(self, name, work):
        if name not in self.known:
            self.known[name] = work()
            self.run.mkdir(parents=True, exist_ok=True)
            self.file.write_text(json.dumps(self.known, indent=1))
        return self.known[name]

    def judge(self, model):
        return self.normgraft("eval", model, "--teacher", self.a.model, "--data", self.a.judge, "--classes", self.a.classes)

    def graft_and_judge(self, strategy, calibration):
        self.normgraft("select", self.run, "--strategy", strategy)
        folder = self.run / "variant"
        graft = self.normgraft("graft", self.run, "--calibrate", calibration, "-o", folder)
        cost = self.normgraft("cost", folder)["answer"]
        return {"graft_seconds": graft["seconds"], "cost": cost, **self.judge(folder)}

    def measure(self):
        a = self.a
        self.once("capture", lambda: self.normgraft("capture", a.model, "--data", a.calibration, "-o", self.run))
        self.once("evolve", lambda: self.normgraft("evolve", self.run))
        self.once("teacher", lambda: self.judge(a.model))
        for shape in SHAPES:
            self.once(f"shape {shape}", lambda: self.graft_and_judge(f"shape:{shape}", "none"))
        for strategy in ("min-error", "knee"):
            for calibration in ("none", "affine"):
                self.once(f"{strategy} {calibration}", lambda: self.graft_and_judge(strategy, calibration))
        self.normgraft("select", self.run)
        self.normgraft("graft", self.run)
        self.once("realign", lambda: self.normgraft("realign", self.run, "--train", a.calibration, "--classes", a.classes, "--restart"))
        self.once("realigned", lambda: self.judge(self.run / "realigned"))


def interval(answer, key, scale, digits):
    low, high = answer[key + "_interval"]
    return f"{scale * answer[key]:.{digits}f} [{scale * low:.{digits}f}, {scale * high:.{digits}f}]"


def accuracy_row(name, measured):
    answer = measured["answer"]
    mflops = measured["cost"]["graft"]["ops"] / 1e6 if "cost" in measured else None
    return (
        f"| {name} | {interval(answer, 'top1', 100, 1)} | {interval(answer, 'agreement', 100, 1)} | "
        f"{interval(answer, 'kl', 1, 3)} | {'' if mflops is None else f'{mflops:.1f}'} |"
    )


def site_table(fronts):
    names = [b["name"] for b in fronts["sites"][0]["baselines"]]
    lines = ["| site | ceiling | " + " | ".join(names) + " | evolved | gap closed | cheaper or equal |", "|" + "---|" * (len(names) + 5)]
    gaps, wins = [], 0
    for site in fronts["sites"]:
        ceiling = site["held_out_ceiling"]
        closed = {b["name"]: b for b in site["baselines"]}
        best_name = max(closed, key=lambda n: closed[n]["held_out_r2"])
        best = closed[best_name]
        evolved = site["front"][-1]
        gap = (evolved["held_out_r2"] - best["held_out_r2"]) / max(ceiling - best["held_out_r2"], 1e-12)
        gaps.append(gap)
        at_no_higher_cost = [p for p in site["front"] if p["cost"] <= best["cost"] and p["held_out_r2"] > best["held_out_r2"]]
        wins += bool(at_no_higher_cost)
        row = [site["name"], f"{ceiling:.5f}"] + [f"{closed[n]['held_out_r2']:.5f}" for n in names]
        lines.append("| " + " | ".join(row + [f"{evolved['held_out_r2']:.5f}", f"{gap:.3f}", "yes" if at_no_higher_cost else "no"]) + " |")

    def mean(figure):
        return f"{statistics.mean(figure(site) for site in fronts['sites']):.5f}"

    means = [mean(lambda s: s["held_out_ceiling"])]
    means += [mean(lambda s: next(b["held_out_r2"] for b in s["baselines"] if b["name"] == n)) for n in names]
    means += [mean(lambda s: s["front"][-1]["held_out_r2"]), f"{statistics.median(gaps):.3f} (median)", f"{wins} of {len(gaps)}"]
    lines.append("| mean | " + " | ".join(means) + " |")
    summary = (
        f"Share of the gap between the best closed form and the ceiling that the evolved function closes: median {statistics.median(gaps):.3f}, "
        f"worst {min(gaps):.3f}. At {wins} of {len(gaps)} sites some evolved function beats the best closed form at no higher cost."
    )
    return "\n".join(lines), summary


def page(m):
    fronts = json.loads((m.run / "fronts.json").read_text())
    table, summary = site_table(fronts)
    known = m.known
    rows = [accuracy_row("teacher (LayerNorm)", known["teacher"])]
    rows += [accuracy_row(f"{n[6:]} at every site", known[n]) for n in known if n.startswith("shape ")]
    rows += [accuracy_row(n.replace(" none", ", no refit").replace(" affine", ", gamma and beta refit"), known[n]) for n in known if n.startswith(("min-error", "knee"))]
    rows.append(accuracy_row("re-aligned, one epoch of distillation", known["realigned"]))
    trained = known["realign"]["answer"]
    version = subprocess.run([m.a.program, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    cpu = next(l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name"))
    return f"""# Results on {known['capture']['answer']['model']}

normgraft {version}, {datetime.date.today()}, {cpu}, {os.cpu_count()} cores. Written by `scripts/measure_pipeline.py`.
Calibration `{pathlib.Path(m.a.calibration).name}` ({known['capture']['answer']['sites'][0]['pictures']} pictures), judged on `{pathlib.Path(m.a.judge).name}`
({known['teacher']['answer']['images']} pictures) with 95 % bootstrap intervals over pictures. Every site is replaced, one function a site.
Seconds: capture {known['capture']['seconds']:.0f}, evolve {known['evolve']['seconds']:.0f}, realign {known['realign']['seconds']:.0f}.

## The network

| graft | top-1 % | agreement % | KL, nats | MFLOPs of all norm sites |
|---|---|---|---|---|
{chr(10).join(rows)}

LayerNorm at every site: {known['knee affine']['cost']['layernorm']['ops'] / 1e6:.1f} MFLOPs a picture. Re-alignment: {trained['steps_per_epoch']} steps an epoch, best epoch {trained['best_epoch']}.

## The sites: R^2 on pictures held out, unweighted pairs

{table}

{summary}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "calibration", "judge", "classes"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--page", required=True)
    parser.add_argument("--program", default="build/release/bin/normgraft")
    m = Measurement(parser.parse_args())
    m.measure()
    pathlib.Path(m.a.page).write_text(page(m))


if __name__ == "__main__":
    main()
