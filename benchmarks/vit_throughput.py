#!/usr/bin/python3
"""Pictures a second of the network in C++ and of the oracle in PyTorch, run in turn on equal threads.

  vit_throughput.py PROGRAM MODEL [--threads N] [--batch N] [--rounds N]

PROGRAM is the built vit_throughput. The oracle is measured twice in each round, with OpenMP's threads waiting
actively, PyTorch's default, and passively, which keeps them from competing with OpenBLAS's. Prints the median
of each over the rounds and, for each way of waiting, the median of the rounds' ratios.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ORACLE = Path(__file__).resolve().parent.parent / "tests" / "oracle" / "vit.py"


def rate(command, **environment):
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | environment).stdout
    return json.loads(output)["images_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    program = [arguments.program, arguments.model, str(arguments.threads), str(arguments.batch)]
    oracle = ["/usr/bin/python3", str(ORACLE), "bench", arguments.model, "--threads", str(arguments.threads),
              "--batch", str(arguments.batch)]
    rates = {"normgraft": [], "oracle": [], "oracle_passive": []}
    for _ in range(arguments.rounds):
        rates["normgraft"].append(rate(program))
        rates["oracle"].append(rate(oracle))
        rates["oracle_passive"].append(rate(oracle, OMP_WAIT_POLICY="passive"))
    result = {name: statistics.median(values) for name, values in rates.items()}
    for name in ("oracle", "oracle_passive"):
        result[f"ratio_to_{name}"] = statistics.median(a / b for a, b in zip(rates["normgraft"], rates[name]))
    json.dump(result, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
