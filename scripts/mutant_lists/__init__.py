"""The breaks, a file for each group of rooms, in the order of the rooms."""

from . import foundation, functions, mappings, pictures, report, search

LIGHT_ROOMS = ("core", "expr", "mapping", "cost", "evolve", "data", "emit", "report")  # build without LibTorch
ROOMS = LIGHT_ROOMS

ALL = [
    *foundation.MUTANTS,
    *functions.MUTANTS,
    *mappings.MUTANTS,
    *search.MUTANTS,
    *pictures.MUTANTS,
    *report.MUTANTS,
]
