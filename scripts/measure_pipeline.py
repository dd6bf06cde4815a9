#!/usr/bin/env python3
"""Measures the pipeline on real models and writes a Markdown page.

    scripts/measure_pipeline.py --models DEIT VIT --calibration DIR --judge DIR --classes CSV -o RUNS --page docs/results.md

The first model is measured in full, the others with the defaults and two closed forms; of all, the plan for the cost of the
knee plan. With --steps, measured instead is every step from graft to re-aligned constants, of --seeds seeds and --epochs
epochs (a number for each model). Every figure comes from the `normgraft` program (build/release/bin/normgraft, or --program); this script runs
it, keeps its JSON answers in RUNS/<model>/measured.json, so that an interrupted measurement goes on, and prints tables.
An hour and a half; with --steps half an hour for each seed.
"""

import argparse
import datetime
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import time

from answers import cpu
from fronts import best_closed_form, cheaper_and_better, gap_closed, most_accurate, summary

SHAPES = ["line", "clip5", "clip", "tanh", "scaled-tanh", "erf", "isru", "softsign", "log", "lines2", "lines4", "lines8"]
SHAPES_OF_OTHERS = ["clip", "erf"]
SINGLE_PICTURES = 100  # for the grafts of one site
SEARCHES = {  # other searches on the same mappings: options, strategy
    "published settings (plain pairs, knee)": (["--function-set", "paper", "--measure", "count", "--tail-penalty", "0.005"], "knee"),
    "plain pairs, min-error": (["--measure", "count"], "min-error"),
    "random search of as many evaluations, min-error": (["--random-search", "--generations", "75"], "min-error"),
}


def of_model(figures, index):
    """The figure of one model, of a list that may end early."""
    return figures[min(index, len(figures) - 1)]


class Measurement:
    def __init__(self, arguments, index):
        self.a = arguments
        self.model = arguments.models[index]
        self.complete = index == 0
        self.seeds = of_model(arguments.seeds, index)
        self.epochs = of_model(arguments.epochs, index)
        self.run = pathlib.Path(arguments.output) / pathlib.Path(self.model).name
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

    def judge(self, model, *options):
        return self.normgraft("eval", model, "--teacher", self.model, "--data", self.a.judge, "--classes", self.a.classes, *options)

    def graft_and_judge(self, strategy, calibration="none", run=None):
        run = run or self.run
        self.normgraft("select", run, "--strategy", strategy)
        folder = self.run / "variant"
        graft = self.normgraft("graft", run, "--calibrate", calibration, "-o", folder)
        cost = self.normgraft("cost", folder)["answer"]
        return {"graft_seconds": graft["seconds"], "cost": cost, **self.judge(folder)}

    def other_search(self, options, strategy):
        run = self.run / "other"
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir()
        for file in ("mappings.ngm", "run.json"):
            shutil.copy(self.run / file, run)
        if (self.run / "prepared").exists():
            shutil.copytree(self.run / "prepared", run / "prepared")
        evolved = self.normgraft("evolve", run, *options)
        evaluations = evolved["answer"]["evaluations"]
        return {"evaluations": evaluations, **self.graft_and_judge(strategy, run=run)}

    def single(self, site):
        folder = self.run / "variant"
        self.normgraft("graft", self.run, "--sites", site, "--calibrate", "none", "-o", folder)
        return self.judge(folder, "--pictures", SINGLE_PICTURES)

    def steps(self, seed):
        """All steps of one run; with what comes before calibration, halved contrast and blur too, where that is asked for."""
        a = self.a
        staircase = ["--staircase"] if a.staircase and self.complete and seed == 1 else []
        options = ["--data", a.calibration, "--val", a.judge, "--classes", a.classes, "--constants", self.epochs, "--seed", seed]
        return self.normgraft("run", self.model, *options, *staircase, "-o", self.run / f"seed{seed}")

    def choose_at_the_cost_of_the_knee(self):
        """The plan for the whole network beside the knee plan of the same fronts and the same cost, both uncalibrated."""
        run, folder = self.run, self.run / "variant"
        self.normgraft("select", run, "--strategy", "knee")
        self.normgraft("graft", run, "--calibrate", "none", "-o", folder)
        knee = self.judge(folder)
        budget = self.normgraft("cost", folder)["answer"]["graft"]["ops"]
        chosen = self.normgraft("select", run, "--strategy", "budget", "--budget", budget)
        self.normgraft("graft", run, "--calibrate", "none", "-o", folder)
        cost = self.normgraft("cost", folder)["answer"]["graft"]["ops"]
        choice = chosen["answer"]["choice"]
        choice.pop("sites")
        return {"knee": knee["answer"], "knee_ops": budget, "budget": self.judge(folder)["answer"], "budget_ops": cost,
                "choice": choice, "seconds": chosen["seconds"]}

    def measure_steps(self):
        for seed in range(1, self.seeds + 1):
            self.once(f"seed {seed}", lambda: self.steps(seed))

    def measure(self):
        a = self.a
        self.once("capture", lambda: self.normgraft("capture", self.model, "--data", a.calibration, "--carrier", a.carrier, "-o", self.run))
        self.once("evolve", lambda: self.normgraft("evolve", self.run))
        self.once("teacher", lambda: self.judge(self.model))
        self.once("default", lambda: self.graft_and_judge("min-error"))
        for shape in SHAPES if self.complete else SHAPES_OF_OTHERS:
            self.once(f"{shape} at every site", lambda: self.graft_and_judge(f"shape:{shape}"))
        if self.complete:
            self.once("min-error, gamma and beta refit", lambda: self.graft_and_judge("min-error", "affine"))
            self.once("knee", lambda: self.graft_and_judge("knee"))
            for name, (options, strategy) in SEARCHES.items():
                self.once(name, lambda: self.other_search(options, strategy))
        self.normgraft("select", self.run)
        for site in [s["name"] for s in self.fronts()["sites"]]:
            self.once(f"single {site}", lambda: self.single(site))
        self.once("budget", self.choose_at_the_cost_of_the_knee)

    def fronts(self):
        return json.loads((self.run / "fronts.json").read_text())


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


def accuracy_table(m):
    rows = [accuracy_row("teacher (LayerNorm)", m.known["teacher"]), accuracy_row("**evolved, defaults** (min-error, no refit)", m.known["default"])]
    shown = {"teacher", "default", "capture", "evolve", "budget"}
    rows += [accuracy_row(name, known) for name, known in m.known.items() if name not in shown and not name.startswith(("single ", "seed "))]
    return "| graft | top-1 % | agreement % | KL, nats | MFLOPs of all norm sites |\n|---|---|---|---|---|\n" + "\n".join(rows)


def site_table(m):
    lines = ["| site | effective pairs | ceiling | best closed form | evolved | gap closed | cheaper, better | plain ceiling | plain R^2 | KL alone, nats |", "|---" * 10 + "|"]
    fronts = m.fronts()
    for site in fronts["sites"]:
        best, evolved = best_closed_form(site), most_accurate(site)
        alone = m.known[f"single {site['name']}"]["answer"]["kl"]
        lines.append(
            f"| {site['name']} | {site['effective_pairs']:.0f} | {site['held_out_ceiling']:.5f} | {best['held_out_r2']:.5f} ({best['name']}) | "
            f"{evolved['held_out_r2']:.5f} | {gap_closed(site):.3f} | {'yes' if cheaper_and_better(site) else 'no'} | {site['plain_ceiling']:.5f} | "
            f"{evolved['plain_r2']:.5f} | {alone:.4f} |"
        )

    def mean(figure):
        return f"{statistics.mean(figure(site) for site in fronts['sites']):.5f}"

    s = summary(fronts)
    lines.append(
        f"| mean | | {mean(lambda x: x['held_out_ceiling'])} | {mean(lambda x: best_closed_form(x)['held_out_r2'])} | {mean(lambda x: most_accurate(x)['held_out_r2'])} | "
        f"{s['median_gap']:.3f} (median) | {s['cheaper_and_better']} of {s['sites']} | {mean(lambda x: x['plain_ceiling'])} | {mean(lambda x: most_accurate(x)['plain_r2'])} | |"
    )
    return "\n".join(lines)


def steps_table(m):
    lines = ["| seed | after | top-1 % | agreement % | KL, nats | seconds |", "|---" * 6 + "|"]
    for seed in range(1, m.seeds + 1):
        for entry in m.known[f"seed {seed}"]["answer"]["accuracy"]:
            if entry["stage"] != "teacher":
                lines.append(f"| {seed} | {entry['stage']} | {interval(entry, 'top1', 100, 1)} | {interval(entry, 'agreement', 100, 1)} | "
                             f"{interval(entry, 'kl', 1, 3)} | {entry['seconds']:.0f} |")
    return "\n".join(lines)


def arithmetic_table(m):
    """LayerNorm and the graft in other arithmetics: agreement with and KL to the teacher in float32."""
    formats = list(m.known["seed 1"]["answer"]["accuracy"][0].get("arithmetic", {}))
    lines = ["| seed | after | " + " | ".join(f"{f}: top-1 % | agreement % | KL, nats" for f in formats) + " |", "|---" * (2 + 3 * len(formats)) + "|"]
    for seed in range(1, m.seeds + 1):
        for entry in m.known[f"seed {seed}"]["answer"]["accuracy"]:
            if entry["stage"] == "teacher" and seed > 1:
                continue
            cells = [interval(entry["arithmetic"][f], key, scale, digits) for f in formats
                     for key, scale, digits in (("top1", 100, 1), ("agreement", 100, 1), ("kl", 1, 3))]
            lines.append(f"| {seed} | {'LayerNorm' if entry['stage'] == 'teacher' else entry['stage']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def robustness_table(m):
    staircase = m.known["seed 1"]["answer"]["accuracy"]
    if "under" not in staircase[0]:
        return ""
    lines = ["Of seed 1, the same under halved contrast and under blur (the teacher sees the changed picture too):", "",
             "| after | top-1 %, contrast | agreement % | KL, nats | top-1 %, blur | agreement % | KL, nats |", "|---" * 7 + "|"]
    for entry in staircase:
        cells = [interval(entry["under"][c], key, scale, digits) for c in ("contrast", "blur")
                 for key, scale, digits in (("top1", 100, 1), ("agreement", 100, 1), ("kl", 1, 3))]
        lines.append(f"| {entry['stage']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def budget_text(m):
    b = m.known["budget"]
    ratio = b["budget"]["kl"] / b["knee"]["kl"]
    choice = b["choice"]
    rows = [f"| {name} | {b[key + '_ops'] / 1e6:.3f} | {choice[own]['measured']:.3f} | {interval(b[key], 'kl', 1, 3)} | {interval(b[key], 'agreement', 100, 1)} |"
            for name, key, own in (("knee, site by site", "knee", "knee"), ("budget, the whole network", "budget", "plan"))]
    return f"""| plan | MFLOPs | KL on {choice['pictures']} calibration pictures | KL, judged | agreement % |
|---|---|---|---|---|
{chr(10).join(rows)}

The ratio of the judged KLs is {ratio:.2f}. Rank correlation of predicted and measured along the budget-loss curve ({len(choice['curve'])} plans):
{choice['rank_correlation']:.3f}. Selecting took {b['seconds']:.0f} s."""


def model_section(m):
    known = m.known
    seconds = f"capture {known['capture']['seconds']:.0f}, evolve {known['evolve']['seconds']:.0f}"
    return f"""## {known['capture']['answer']['model']}

{accuracy_table(m)}

Seconds: {seconds}. LayerNorm at every site: {known['default']['cost']['layernorm']['ops'] / 1e6:.1f} MFLOPs a picture.

A plan for the whole network at the cost of the knee plan, out of the same fronts, before calibration:

{budget_text(m)}

The sites: R^2 on pictures held out, under Fisher weights and of plain pairs, and the KL of the graft of that site alone on {SINGLE_PICTURES} pictures.

{site_table(m)}
"""


def steps_section(m):
    teacher = m.known["seed 1"]["answer"]["accuracy"][0]
    constants = f""" `constants`: {m.epochs} epochs of
`realign --mode constants` on the calibration pictures, without labels; what comes before is free of training.""" if m.epochs else " No training."
    return f"""## {pathlib.Path(m.model).name}

Teacher: top-1 {interval(teacher, 'top1', 100, 1)} %. The default plan, seconds summed from capture on.{constants}

{steps_table(m)}

The same models in other arithmetics, compared with the teacher in float32:

{arithmetic_table(m)}

{robustness_table(m)}"""


def page(measurements):
    m = measurements[0]
    version = subprocess.run([m.a.program, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    section = steps_section if m.a.steps else model_section
    sections = "\n".join(section(x) for x in measurements)
    judged = (m.known["seed 1"]["answer"]["accuracy"][0] if m.a.steps else m.known["teacher"]["answer"])["images"]
    stream = " The residual stream is left as it is (`capture --carrier none`)." if m.a.carrier == "none" else ""
    return f"""# {'Step by step' if m.a.steps else 'Results'}

normgraft {version}, {datetime.date.today()}, {cpu()}, {os.cpu_count()} cores. Written by `scripts/measure_pipeline.py{' --steps' if m.a.steps else ''}`.
Calibration `{pathlib.Path(m.a.calibration).name}`, without labels, judged on `{pathlib.Path(m.a.judge).name}` ({judged} pictures) with 95 % bootstrap
intervals over pictures. Every site is replaced, one function a site.{stream}

{sections}"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("calibration", "judge", "classes"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--models", required=True, nargs="+")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--page", required=True)
    parser.add_argument("--steps", action="store_true", help="measure the steps from graft to constants")
    parser.add_argument("--staircase", action="store_true", help="with --steps: more steps and conditions, of the first model's first seed")
    parser.add_argument("--carrier", default="mean", help="what carries the scale of a token: mean or none; not with --steps")
    parser.add_argument("--seeds", type=int, nargs="+", default=[3], help="of the steps, for each model")
    parser.add_argument("--epochs", type=int, nargs="+", default=[4], help="of the constants' re-alignment, for each model")
    parser.add_argument("--program", default="build/release/bin/normgraft")
    arguments = parser.parse_args()
    measurements = [Measurement(arguments, i) for i in range(len(arguments.models))]
    for m in measurements:
        m.measure_steps() if arguments.steps else m.measure()
    pathlib.Path(arguments.page).write_text(page(measurements))


if __name__ == "__main__":
    main()
