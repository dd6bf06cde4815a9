"""Sorts names as timm numbers class folders: class_order_oracle.py NAMES.json SORTED.json

A name is seen as text, number, text, ... in turns (a text may be empty), in small letters; numbers compare by value.
"""
import itertools
import json
import sys


def turns(name):
    runs = [(is_number, "".join(run)) for is_number, run in itertools.groupby(name.lower(), str.isdecimal)]
    if not runs or runs[0][0]:
        runs.insert(0, (False, ""))
    if runs[-1][0]:
        runs.append((False, ""))
    return [int(text) if is_number else text for is_number, text in runs]


with open(sys.argv[1]) as file:
    names = json.load(file)
with open(sys.argv[2], "w") as file:
    json.dump(sorted(names, key=lambda name: (turns(name), name)), file)
