"""The breaks, a file for each group of rooms, in the order of the rooms."""

from . import (accelerator, c_export, checkpoints, circuits, engine, foundation, functions, grafting, integer, mappings, network,
               onnx, pictures, quantize, report, search, training, verilog_export)

LIGHT_ROOMS = ("core", "expr", "data", "integer", "circuit", "mapping", "cost", "evolve", "emit", "report")  # build without LibTorch
TORCH_ROOMS = ("network", "models", "capture", "graft", "calibrate", "choice", "quantize", "onnx", "eval", "realign", "pipeline", "cli")
ROOMS = LIGHT_ROOMS + TORCH_ROOMS

ALL = [
    *foundation.MUTANTS,
    *accelerator.MUTANTS,
    *circuits.MUTANTS,
    *functions.MUTANTS,
    *c_export.MUTANTS,
    *verilog_export.MUTANTS,
    *mappings.MUTANTS,
    *search.MUTANTS,
    *pictures.MUTANTS,
    *integer.MUTANTS,
    *engine.MUTANTS,
    *report.MUTANTS,
    *network.MUTANTS,
    *checkpoints.MUTANTS,
    *grafting.MUTANTS,
    *quantize.MUTANTS,
    *onnx.MUTANTS,
    *training.MUTANTS,
]
