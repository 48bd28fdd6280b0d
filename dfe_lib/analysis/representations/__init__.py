"""Representations: one vector per recording, for the tables of prediction."""

from dfe_lib.analysis.representations.base import Representation, Table
from dfe_lib.analysis.representations.counts import bag_of_levels, bag_of_tokens, functionals
from dfe_lib.analysis.representations.describe import DFE_BAG, LENGTH, describe
from dfe_lib.analysis.representations.weights import CountWeights

__all__ = [
    "DFE_BAG",
    "LENGTH",
    "CountWeights",
    "Representation",
    "Table",
    "bag_of_levels",
    "bag_of_tokens",
    "describe",
    "functionals",
]
