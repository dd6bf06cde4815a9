"""FOLDER/graft.py has the functions of FOLDER/expected.py: {site: value at 0.5}."""
import sys

import torch

sys.path.insert(0, sys.argv[1])
import graft
from expected import EXPECTED

found = {site: f(torch.tensor(0.5)).item() for site, f in graft.FUNCTIONS.items()}
assert found == EXPECTED, found
