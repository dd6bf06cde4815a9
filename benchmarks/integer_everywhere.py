#!/usr/bin/env python3
"""Whether a network of integers gives the same bytes everywhere: the interpreter, the engine, and the C of
`normgraft export --to c` on x86-64 and, under qemu, on Arm of 32 and of 64 bits.

    benchmarks/integer_everywhere.py FOLDER PICTURES [--count 500] [--bin build/release/bin]

FOLDER is an integer folder. PICTURES is a folder of pictures, of which so many are taken evenly; Pillow makes them
as large as the network wants. Prints one JSON object: the SHA-256 of all logits and the seconds of each, and what
the C file needs. Exit code 1 where they differ. Seconds are those of one process with others beside it.
"""

import argparse
import concurrent.futures
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy
from PIL import Image

DRIVER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "emit" / "c_driver.c"
FLAGS = ["-O3", "-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-static"]
MACHINES = {  # flags with which qemu runs the program soonest
    "C, x86-64": (["gcc"], []),
    "C, Arm 32 bits": (["arm-linux-gnueabihf-gcc", "-marm", "-mfpu=neon"], ["qemu-arm"]),
    "C, Arm 64 bits": (["aarch64-linux-gnu-gcc", "-fno-tree-vectorize", "-funroll-loops"], ["qemu-aarch64"]),
}
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


def codes(file, height, width):
    """A picture as the network takes it: codes pixel - 128, colour by colour."""
    pixels = numpy.asarray(Image.open(file).convert("RGB").resize((width, height), Image.BICUBIC))
    return (pixels.astype(numpy.int16) - 128).astype(numpy.int8).transpose(2, 0, 1).tobytes()


def compiled(source, name, compiler):
    program = source / name.replace(" ", "_").replace(",", "")
    files = [DRIVER, *source.glob("network.c"), *source.glob("*.S")]
    subprocess.run([*compiler, *FLAGS, "-I", source, *files, "-o", program], check=True)
    return program


def run(command):
    start = time.monotonic()
    logits = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE).stdout
    return {"sha256": hashlib.sha256(logits).hexdigest(), "bytes": len(logits), "seconds": round(time.monotonic() - start, 1)}


def code_bytes(source, compiler):
    """Of what network.c becomes where size counts, without the constants."""
    made = source / "network.o"
    subprocess.run([compiler, "-Os", "-std=c99", "-I", source, "-c", source / "network.c", "-o", made], check=True)
    return int(subprocess.run(["size", made], check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")[1].split()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("pictures", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/release/bin"))
    a = parser.parse_args()

    size = json.loads((a.folder / "config.json").read_text())["preprocessing"]
    files = sorted(f for f in a.pictures.rglob("*") if f.suffix.lower() in SUFFIXES)
    if len(files) < a.count:
        sys.exit(f"{a.pictures}: {len(files)} pictures, expected at least {a.count}")
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        pictures, source = work / "pictures.codes", work / "c"
        with pictures.open("wb") as out:
            for i in range(a.count):
                out.write(codes(files[i * len(files) // a.count], size["height"], size["width"]))
        export = [a.bin / "normgraft", "export", a.folder, "--to", "c", "--weights", "binary", "-o", source, "--json"]
        answer = json.loads(subprocess.run(export, check=True, stdout=subprocess.PIPE, text=True).stdout)
        answer["code_bytes"] = {name: code_bytes(source, compiler[0]) for name, (compiler, _) in MACHINES.items()}
        commands = {way: [a.bin / "integer_logits", a.folder, way, pictures] for way in ("engine", "interpreter")}
        for name, (compiler, runner) in MACHINES.items():
            commands[name] = [*runner, compiled(source, name, compiler), pictures]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            results = dict(zip(commands, pool.map(run, commands.values())))
    same = len({result["sha256"] for result in results.values()}) == 1
    print(json.dumps({"pictures": a.count, "same": same, "ways": results, "c": answer}, indent=1))
    sys.exit(not same)


if __name__ == "__main__":
    main()
