"""Every function of FOLDER/graft.py at the points of FOLDER/points.f64, in float64 and in float32."""
import sys

import numpy
import torch

folder = sys.argv[1]
sys.path.insert(0, folder)
import graft

points = torch.from_numpy(numpy.fromfile(f"{folder}/points.f64"))
for dtype in (torch.float64, torch.float32):
    values = torch.stack([f(points.to(dtype)) for f in graft.FUNCTIONS.values()])
    assert values.dtype == dtype
    values.double().numpy().tofile(f"{folder}/{str(dtype).removeprefix('torch.')}.f64")
