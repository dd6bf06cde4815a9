#!/usr/bin/env python3
"""Breaks the code on purpose, one place at a time, and asks whether the tests of that room notice.

    scripts/mutants.py                        # every break, and the page docs/mutants.md
    scripts/mutants.py --room cost --room emit
    scripts/mutants.py --only dram-times-four
    scripts/mutants.py --resume               # goes on after an interruption; judges anew what changed since
    scripts/mutants.py --check                # only whether every pattern matches in one place; seconds

The breaks are in scripts/mutant_lists/. What sees the file of a break is compiled from a broken copy, and linked into
the test program of its room ahead of what is whole; the working tree stays as it is. The page holds the last judgement
of each break, and the commit of that. Exit code 1: a break was not noticed and the list gives no reason, a pattern does
not match in exactly one place, a break does not compile, or a room's tests fail without any break.
"""

import argparse
import concurrent.futures
import datetime
import hashlib
import json
import os
import pathlib
import platform
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time

from mutant_lists import ALL, LIGHT_ROOMS, ROOMS

ROOT = pathlib.Path(__file__).resolve().parent.parent
COPIED = ("include", "src", "tests", "cli")
SHORTEST_LIMIT = 60  # seconds that a test program may take at least
SLOWER = 5  # times as long as without a break
FLAGS = "-O1 -DNDEBUG"  # a break shows as well as in a release, and compiles sooner


class Failure(Exception):
    pass


def pattern_of(mutant):
    """A space stands for any white space, so that a pattern survives a new layout of the code."""
    return re.compile(mutant.pattern.replace(" ", r"\s+"))


def mutated(mutant, text):
    found = list(pattern_of(mutant).finditer(text))
    if len(found) != 1:
        raise Failure(f"{mutant.name}: the pattern matches in {len(found)} places of {mutant.file}, expected one")
    match = found[0]
    return text[: match.start()] + match.expand(mutant.replacement) + text[match.end() :]


def check(mutants):
    """The complaints about a list, one line each."""
    complaints = []
    names = [m.name for m in mutants]
    complaints += [f"{name}: two breaks have this name" for name in sorted(set(names)) if names.count(name) > 1]
    for mutant in mutants:
        path = ROOT / mutant.file
        if mutant.room not in ROOMS:
            complaints.append(f"{mutant.name}: there is no room {mutant.room}")
        if not path.is_file():
            complaints.append(f"{mutant.name}: there is no file {mutant.file}")
            continue
        try:
            text = path.read_text()
            if mutated(mutant, text) == text:
                complaints.append(f"{mutant.name}: changes nothing")
        except Failure as failure:
            complaints.append(str(failure))
    return complaints


def files_below(path):
    if not path.exists():
        return []
    return [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())


def run_or_fail(command, what, folder=None):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          cwd=folder)  # fmt: skip
    if done.returncode != 0:
        raise Failure(f"{what}: {pathlib.Path(command[0]).name} failed\n{done.stdout[-3000:]}")
    return done.stdout


class Build:
    """A build folder of the project as it is, and the commands that made its programs."""

    def __init__(self, folder, torch):
        self.folder = folder
        self.lines = {}
        run_or_fail(
            ["cmake", "-G", "Ninja", "-S", ROOT, "-B", folder, "-DCMAKE_BUILD_TYPE=Release",
             f"-DCMAKE_CXX_FLAGS_RELEASE={FLAGS}", "-DNORMGRAFT_TESTS=ON",
             f"-DNORMGRAFT_TORCH={'ON' if torch else 'OFF'}"], folder.name)  # fmt: skip

    def make(self, targets, jobs):
        run_or_fail(["ninja", "-C", self.folder, f"-j{jobs}", *targets], self.folder.name)
        for target in targets:
            commands = run_or_fail(["ninja", "-C", self.folder, "-t", "commands", target], target)
            self.lines[target] = commands.splitlines()

    def run(self, words):
        run_or_fail(words, self.folder.name, self.folder)

    def units(self, target, file):
        """The compilations of a target that see a file."""
        lines = [shlex.split(line) for line in self.lines[target] if " -c " in line]
        if file.endswith(".cc"):
            return [words for words in lines if words[-1] == str(ROOT / file)]
        seen = run_or_fail(["ninja", "-C", self.folder, "-t", "deps"], target).split("\n\n")
        objects = {entry.split(":", 1)[0] for entry in seen if f" {ROOT / file}\n" in entry + "\n"}
        return [words for words in lines if words[words.index("-o") + 1] in objects]

    def link_broken(self, target, mutant, text, folder):
        """A program with a file broken; its objects stand in the place of the whole ones, or ahead of their library."""
        copy = folder / "source"
        for name in COPIED:
            shutil.copytree(ROOT / name, copy / name)
        (copy / mutant.file).write_text(text)
        broken = {}
        for words in self.units(target, mutant.file):
            at = words.index("-o") + 1
            whole, words[at] = words[at], str(folder / f"{len(broken)}.o")
            broken[whole] = words[at]
            words[words.index("-MF") + 1] = str(folder / "deps")
            self.run([w.replace(str(ROOT), str(copy)) if w.startswith("-I") or w == words[-1] else w for w in words])
        if not broken:
            raise Failure(f"{mutant.file} is not compiled for {target}")
        line = shlex.split(self.lines[target][-1].removeprefix(": && ").removesuffix(" && :"))
        words = [broken.pop(word, word) for word in line]
        at = words.index("-o")
        words[at + 1] = program = folder / "program"
        self.run([*words[:at], *broken.values(), *words[at:]])
        return program


class Room:
    """The test program of one room."""

    def __init__(self, name, build, work):
        self.name = name
        self.build = build
        self.work = work
        self.tests = f"bin/{name}_test"
        self.broken = "bin/normgraft" if name == "cli" else self.tests  # the tests of cli start the program
        self.targets = sorted({self.tests, self.broken})
        self.limit = None

    def state(self):
        """What a judgement depends on besides the break: the room's files; not the rooms above it."""
        digest = hashlib.sha256()
        for folder in (f"include/normgraft/{self.name}", f"src/{self.name}", f"tests/{self.name}", self.name):
            for file in files_below(ROOT / folder):
                digest.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
        return digest.hexdigest()

    def first_failure(self, program, tests):
        """The name of the first test that fails; None when all pass."""
        environment = {"NORMGRAFT_DATA": str(ROOT.parent / "shared"), "OMP_WAIT_POLICY": "passive", **os.environ,
                       "NORMGRAFT_PROGRAM": str(program)}  # fmt: skip
        if self.broken != self.tests:
            program = self.build.folder / self.tests
        command = [program, "--gtest_fail_fast", "--gtest_color=no", f"--gtest_filter={tests or '*'}"]
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
                                  timeout=self.limit)  # fmt: skip
        except subprocess.TimeoutExpired as expired:
            return f"{last_test(expired.stdout or b'')} (does not end)"
        if done.returncode == 0:
            if b"[  PASSED  ] 0 tests" in done.stdout:
                raise Failure(f"{self.name}: none of the tests {tests} ran")
            return None
        failed = re.search(rb"\[  FAILED  \] ([A-Za-z][^\s,:]*)", done.stdout)
        return failed[1].decode() if failed else f"{last_test(done.stdout)} (ends the program)"

    def pass_unbroken(self, mutants):
        """The tests have to pass as they are; their time sets the limit for the breaks."""
        tests = ":".join(sorted({m.tests or "*" for m in mutants}))
        start = time.monotonic()
        failed = self.first_failure(self.build.folder / self.broken, tests)
        if failed:
            raise Failure(f"{self.name}: {failed} fails without any break")
        seconds = time.monotonic() - start
        print(f"{self.name}: the tests as they are pass in {seconds:.0f} s", file=sys.stderr, flush=True)
        self.limit = max(SHORTEST_LIMIT, SLOWER * seconds)

    def judge(self, mutant):
        """The first failing test, or None when the break goes unnoticed."""
        folder = self.work / "breaks" / mutant.name
        shutil.rmtree(folder, ignore_errors=True)
        try:
            text = mutated(mutant, (ROOT / mutant.file).read_text())
            program = self.build.link_broken(self.broken, mutant, text, folder)
        except Failure as failure:
            raise Failure(f"{mutant.name} does not compile, which is a fault of the list\n{failure}") from None
        try:
            return self.first_failure(program, mutant.tests)
        finally:
            shutil.rmtree(folder)


def last_test(output):
    begun = re.findall(rb"\[ RUN      \] (\S+)", output)
    return begun[-1].decode() if begun else "the start"


def break_of(mutant):
    """What makes a break the same one."""
    text = repr((mutant.file, mutant.pattern, mutant.replacement, mutant.room, mutant.tests))
    return hashlib.sha256(text.encode()).hexdigest()


class Results:
    """The last judgement of each break, kept in a file after every one."""

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.entries = json.loads(path.read_text()) if path.is_file() else {}

    def get(self, mutant):
        entry = self.entries.get(mutant.name)
        return entry if entry and entry["break"] == break_of(mutant) else None

    def put(self, mutant, **entry):
        with self.lock:
            self.entries[mutant.name] = {"break": break_of(mutant), **entry}
            self.path.write_text(json.dumps(self.entries, indent=1))


def commit():
    return run_or_fail(["git", "-C", ROOT, "describe", "--always", "--dirty"], "git").strip()


def run(mutants, results, work, jobs, resume):
    """Judges the breaks. What is wrong with the list or the tests."""
    faults, rooms, builds, now = [], {}, {}, commit()
    by_room = {}
    for mutant in mutants:
        by_room.setdefault(mutant.room, []).append(mutant)
    for name in by_room:
        torch = name not in LIGHT_ROOMS
        if torch not in builds:
            builds[torch] = Build(work / ("with-torch" if torch else "without-torch"), torch)
        rooms[name] = Room(name, builds[torch], work)
    states = {name: room.state() for name, room in rooms.items()}
    if resume:
        mutants = [m for m in mutants if (results.get(m) or {}).get("state") != states[m.room]]
    for build in builds.values():
        build.make(sorted({t for m in mutants if rooms[m.room].build is build for t in rooms[m.room].targets}), jobs)
    start, judged = time.monotonic(), 0

    def fault(failure):
        faults.append(str(failure))
        print(f"FAULT {failure}", file=sys.stderr, flush=True)

    def pass_unbroken(name):
        try:
            rooms[name].pass_unbroken([m for m in mutants if m.room == name])
        except Failure as failure:
            fault(failure)
            return name

    def judge(mutant):
        begin = time.monotonic()
        try:
            killer = rooms[mutant.room].judge(mutant)
        except Failure as failure:
            return fault(failure)
        seconds = round(time.monotonic() - begin, 1)
        results.put(mutant, state=states[mutant.room], commit=now, killer=killer, seconds=seconds)
        nonlocal judged
        judged += 1
        pace = (time.monotonic() - start) / judged
        says = f"killed by {killer}" if killer else "SURVIVES"
        print(f"[{judged}/{len(mutants)}, {60 / pace:.1f} a minute] {mutant.room} {mutant.name}: {says}",
              file=sys.stderr, flush=True)  # fmt: skip

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        failing = set(pool.map(pass_unbroken, dict.fromkeys(m.room for m in mutants)))
        list(pool.map(judge, [m for m in mutants if m.room not in failing]))
    return faults


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def page(mutants, results):
    judged = [m for m in mutants if results.get(m)]
    entries = {m.name: results.get(m) for m in judged}
    survivors = [m for m in judged if not entries[m.name]["killer"]]
    missing = [m for m in mutants if m.name not in entries]
    minutes = sum(entries[m.name]["seconds"] for m in judged) / 60
    lines = [
        "# Breaks that the tests notice",
        "",
        "Written by `scripts/mutants.py`; the breaks are listed in `scripts/mutant_lists/`. Each is linked into the test",
        "program of its room alone and run there: what another room's tests would notice does not count. Where a break",
        "names tests, only these were run. The last column is the commit at which a break was judged.",
        "",
        f"{datetime.date.today().isoformat()}, {processor()}, {os.cpu_count()} cores: "
        f"{len(judged) - len(survivors)} of {len(judged)} noticed, {minutes:.0f} minutes of work.",
        "",
        "| room | breaks | judged | noticed |",
        "|---|---|---|---|",
    ]
    for room in ROOMS:
        own = [m for m in judged if m.room == room]
        listed = sum(m.room == room for m in mutants)
        lines.append(f"| {room} | {listed} | {len(own)} | {sum(bool(entries[m.name]['killer']) for m in own)} |")
    lines += ["", "## Not noticed, with the reason", ""]
    for m in survivors:
        at = entries[m.name]["commit"]
        lines.append(f"- {m.room}, {m.name} (at {at}): {m.says}. {m.may_survive or 'A test is missing.'}")
    lines += [] if survivors else ["None."]
    if missing:
        lines += ["", "## Not judged yet", ""] + [f"- {m.room}, {m.name}: {m.says}." for m in missing]
    lines += ["", "## Noticed", "", "| room | break | file | first test that fails | at |", "|---|---|---|---|---|"]
    for m in judged:
        killer = entries[m.name]["killer"]
        if killer:
            at = entries[m.name]["commit"]
            lines.append(f"| {m.room} | {m.says} | {pathlib.Path(m.file).name} | {killer} | {at} |")
    return "\n".join(lines) + "\n"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--room", action="append", choices=ROOMS, help="only breaks of this room; may be repeated")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this break; may be repeated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="breaks at once (default: all cores)")
    parser.add_argument("--list", action="store_true", help="print the breaks and stop")
    parser.add_argument("--check", action="store_true", help="only check the list against the source")
    parser.add_argument("--resume", action="store_true", help="keep judgements whose break and room have not changed")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "mutants",
                        help="folder of builds and judgements")  # fmt: skip
    parser.add_argument("--page", type=pathlib.Path, default=ROOT / "docs" / "mutants.md",
                        help="where to write the page")  # fmt: skip
    return parser.parse_args()


def main():
    asked = arguments()
    unknown = set(asked.only or []) - {m.name for m in ALL}
    if unknown:
        print(f"no break named {', '.join(sorted(unknown))}", file=sys.stderr)
        return 1
    chosen = [m for m in ALL if (not asked.room or m.room in asked.room) and (not asked.only or m.name in asked.only)]
    if asked.list:
        for m in chosen:
            print(f"{m.room:9} {m.name:28} {m.says}")
        return 0
    complaints = check(chosen)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if asked.check or complaints:
        return 1 if complaints else 0
    asked.work.mkdir(parents=True, exist_ok=True)
    work = asked.work.resolve()
    results = Results(work / "results.json")
    faults = run(chosen, results, work, asked.jobs, asked.resume)
    judged = [(m, results.get(m)) for m in chosen]
    unexplained = [m for m, entry in judged if entry and not entry["killer"] and not m.may_survive]
    for m in unexplained:
        print(f"{m.name} survives without a reason: {m.says}", file=sys.stderr)
    asked.page.write_text(page(ALL, results))
    print(f"written: {asked.page}", file=sys.stderr)
    return 1 if faults or unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
