"""Every function of FOLDER/graft.py at the points of FOLDER/points.f64, in float64 and in float32.

Where there is a FOLDER/r.f64, of x and r: for each of its numbers one token, which has the points for channels.
"""
import pathlib
import sys

import numpy
import torch

folder = sys.argv[1]
sys.path.insert(0, folder)
import graft

points = torch.from_numpy(numpy.fromfile(f"{folder}/points.f64"))
arguments = [points]
if pathlib.Path(f"{folder}/r.f64").exists():
    r = torch.from_numpy(numpy.fromfile(f"{folder}/r.f64"))
    arguments = [points.repeat(len(r), 1), r[:, None]]
for dtype in (torch.float64, torch.float32):
    values = torch.stack([f(*(each.to(dtype) for each in arguments)) for f in graft.FUNCTIONS.values()])
    assert values.dtype == dtype
    values.double().numpy().tofile(f"{folder}/{str(dtype).removeprefix('torch.')}.f64")
