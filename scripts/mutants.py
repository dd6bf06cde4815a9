#!/usr/bin/env python3
"""Breaks the code on purpose, one place at a time, and asks whether the tests of that room notice.

    scripts/mutants.py                        # every break, and the page docs/mutants.md
    scripts/mutants.py --room cost --room emit
    scripts/mutants.py --only dram-times-four
    scripts/mutants.py --resume               # goes on after an interruption; judges anew what changed since
    scripts/mutants.py --check                # only whether every pattern matches in one place; seconds

The breaks are in scripts/mutant_lists/. Each is built into the test program of its room and run there, in a copy of
the source below --work, so that the working tree stays as it is. Exit code 1: a break was not noticed and the list
gives no reason, a pattern does not match in exactly one place, a mutant does not compile, or a room's tests fail
without any break.
"""

import argparse
import datetime
import hashlib
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import time

from mutant_lists import ALL, LIGHT_ROOMS, ROOMS

ROOT = pathlib.Path(__file__).resolve().parent.parent
COPIED = ("CMakeLists.txt", "cmake", "include", "src", "tests", "cli", "examples", "benchmarks")
SHORTEST_LIMIT = 60  # seconds that a test program may take at least
SLOWER = 5  # times as long as without a break


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
    return [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())


def copy_source(to):
    """Brings the copy up to date; what is the same keeps its time, so that builds stay incremental."""
    wanted = set()
    for name in COPIED:
        for file in files_below(ROOT / name):
            target = to / file.relative_to(ROOT)
            wanted.add(target)
            if target.is_file() and target.read_bytes() == file.read_bytes():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    for file in files_below(to):
        if file not in wanted:
            file.unlink()


class Room:
    """The test program of one room in the copy."""

    def __init__(self, name, work, jobs):
        torch = name not in LIGHT_ROOMS
        self.name = name
        self.source = work / "source"
        self.build = work / ("with-torch" if torch else "without-torch")
        self.program = f"{name}_test"
        self.jobs = jobs
        self.limit = None
        if not (self.build / "build.ninja").is_file():
            self.run_or_fail(
                ["cmake", "-G", "Ninja", "-S", self.source, "-B", self.build, "-DCMAKE_BUILD_TYPE=Release",
                 "-DNORMGRAFT_TESTS=ON", f"-DNORMGRAFT_TORCH={'ON' if torch else 'OFF'}"])  # fmt: skip

    def run_or_fail(self, command):
        done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise Failure(f"{self.name}: {command[0]} failed\n{done.stdout[-3000:]}")

    def compile(self):
        self.run_or_fail(["ninja", "-C", self.build, f"-j{self.jobs}", self.program])

    def identity(self, mutant):
        """What a result depends on: the break and the room's files; not the rooms above it."""
        digest = hashlib.sha256(repr(mutant).encode())
        for folder in (f"include/normgraft/{self.name}", f"src/{self.name}", f"tests/{self.name}", self.name):
            for file in files_below(self.source / folder):
                digest.update(str(file.relative_to(self.source)).encode() + file.read_bytes())
        return digest.hexdigest()

    def first_failure(self):
        """The name of the first test that fails; None when all pass."""
        environment = {"NORMGRAFT_DATA": str(ROOT.parent / "shared"), **os.environ}
        command = [self.build / "bin" / self.program, "--gtest_fail_fast", "--gtest_color=no"]
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
                                  timeout=self.limit)  # fmt: skip
        except subprocess.TimeoutExpired as expired:
            return f"{last_test(expired.stdout or b'')} (does not end)"
        if done.returncode == 0:
            return None
        failed = re.search(rb"\[  FAILED  \] ([^\s,]+)", done.stdout)
        return failed[1].decode() if failed else f"{last_test(done.stdout)} (ends the program)"

    def pass_unbroken(self):
        """The tests have to pass as they are; their time sets the limit for the mutants."""
        self.compile()
        start = time.monotonic()
        failed = self.first_failure()
        if failed:
            raise Failure(f"{self.name}: {failed} fails without any break")
        self.limit = max(SHORTEST_LIMIT, SLOWER * (time.monotonic() - start))

    def judge(self, mutant):
        """The first failing test, or None when the break goes unnoticed. The copy is left as it was."""
        path = self.source / mutant.file
        original = path.read_text()
        path.write_text(mutated(mutant, original))
        try:
            try:
                self.compile()
            except Failure as failure:
                raise Failure(f"{mutant.name} does not compile, which is a fault of the list\n{failure}") from None
            return self.first_failure()
        finally:
            path.write_text(original)


def last_test(output):
    begun = re.findall(rb"\[ RUN      \] (\S+)", output)
    return begun[-1].decode() if begun else "the start"


class Results:
    """What is known of each break, kept in a file after every one."""

    def __init__(self, path, resume):
        self.path = path
        self.known = json.loads(path.read_text()) if resume and path.is_file() else {}

    def get(self, mutant, identity):
        entry = self.known.get(mutant.name)
        return entry if entry and entry["identity"] == identity else None

    def put(self, mutant, entry):
        self.known[mutant.name] = entry
        self.path.write_text(json.dumps(self.known, indent=1))


def progress(done, total, start, judged):
    elapsed = time.monotonic() - start
    if not judged:
        return f"[{done}/{total}]"
    left = elapsed / judged * (total - done)
    return f"[{done}/{total}, {60 * judged / elapsed:.1f} a minute, {left / 60:.0f} min left]"


def run(mutants, work, jobs, resume):
    """Judges every break. The entries by name, and what is wrong with the list or the tests."""
    copy_source(work / "source")
    results = Results(work / "results.json", resume)
    rooms, entries, faults = {}, {}, []
    start, judged = time.monotonic(), 0
    for number, mutant in enumerate(mutants, 1):
        try:
            room = rooms.get(mutant.room) or rooms.setdefault(mutant.room, Room(mutant.room, work, jobs))
            identity = room.identity(mutant)
            entry = results.get(mutant, identity)
            if entry is None:
                if room.limit is None:
                    print(f"{room.name}: the tests as they are", file=sys.stderr, flush=True)
                    room.pass_unbroken()
                begin = time.monotonic()
                killer = room.judge(mutant)
                entry = {"identity": identity, "killer": killer, "seconds": round(time.monotonic() - begin, 1)}
                results.put(mutant, entry)
                judged += 1
        except Failure as failure:
            faults.append(str(failure))
            print(f"FAULT {failure}", file=sys.stderr, flush=True)
            continue
        entries[mutant.name] = entry
        says = f"killed by {entry['killer']}" if entry["killer"] else "SURVIVES"
        where = progress(number, len(mutants), start, judged)
        print(f"{where} {mutant.room} {mutant.name}: {says}", file=sys.stderr, flush=True)
    return entries, faults


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def page(mutants, entries):
    survivors = [m for m in mutants if not entries[m.name]["killer"]]
    minutes = sum(entries[m.name]["seconds"] for m in mutants) / 60
    rooms = [r for r in ROOMS if any(m.room == r for m in mutants)]
    lines = [
        "# Breaks that the tests notice",
        "",
        "Written by `scripts/mutants.py`; the breaks are listed in `scripts/mutant_lists/`. Each is built into the test program of",
        "its room alone and run there: what another room's tests would notice does not count.",
        "",
        f"{datetime.date.today().isoformat()}, {processor()}, {os.cpu_count()} cores: "
        f"{len(mutants) - len(survivors)} of {len(mutants)} noticed, {minutes:.0f} minutes.",
        "",
        "| room | breaks | noticed |",
        "|---|---|---|",
    ]
    for room in rooms:
        own = [m for m in mutants if m.room == room]
        lines.append(f"| {room} | {len(own)} | {sum(bool(entries[m.name]['killer']) for m in own)} |")
    lines += ["", "## Not noticed, with the reason", ""]
    lines += [f"- {m.room}, {m.name}: {m.says}. {m.may_survive}" for m in survivors] or ["None."]
    lines += ["", "## Noticed", "", "| room | break | file | first test that fails |", "|---|---|---|---|"]
    for m in mutants:
        killer = entries[m.name]["killer"]
        if killer:
            lines.append(f"| {m.room} | {m.says} | {pathlib.Path(m.file).name} | {killer} |")
    return "\n".join(lines) + "\n"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--room", action="append", choices=ROOMS, help="only breaks of this room; may be repeated")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this break; may be repeated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="compilers at once (default: all cores)")
    parser.add_argument("--list", action="store_true", help="print the breaks and stop")
    parser.add_argument("--check", action="store_true", help="only check the list against the source")
    parser.add_argument("--resume", action="store_true", help="keep results whose break and room have not changed")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "mutants", help="folder of the copy")
    parser.add_argument("--page", type=pathlib.Path, default=ROOT / "docs" / "mutants.md",
                        help="written when every break of the list was judged")  # fmt: skip
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
    entries, faults = run(chosen, asked.work.resolve(), asked.jobs, asked.resume)
    unexplained = [m for m in chosen if m.name in entries and not entries[m.name]["killer"] and not m.may_survive]
    for m in unexplained:
        print(f"{m.name} survives without a reason: {m.says}", file=sys.stderr)
    if len(entries) == len(ALL):
        asked.page.write_text(page(ALL, entries))
        print(f"written: {asked.page}", file=sys.stderr)
    return 1 if faults or unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
