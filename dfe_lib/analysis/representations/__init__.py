"""Representations: one vector per recording, for the tables of prediction."""

from dfe_lib.analysis.representations.base import Representation, Table
from dfe_lib.analysis.representations.counts import bag_of_levels, bag_of_tokens, functionals
from dfe_lib.analysis.representations.describe import LENGTH, describe
from dfe_lib.analysis.representations.token_rows import DFE_BAG
from dfe_lib.analysis.representations.unit_rows import FACS_BAG
from dfe_lib.analysis.representations.weights import CountWeights

__all__ = [
    "DFE_BAG",
    "FACS_BAG",
    "LENGTH",
    "CountWeights",
    "Representation",
    "Table",
    "bag_of_levels",
    "bag_of_tokens",
    "describe",
    "functionals",
]
