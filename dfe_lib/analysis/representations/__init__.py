"""Representations: one vector per recording, for the tables of prediction."""

from dfe_lib.analysis.representations.counts import bag_of_levels, bag_of_tokens, functionals
from dfe_lib.analysis.representations.weights import CountWeights

__all__ = ["CountWeights", "bag_of_levels", "bag_of_tokens", "functionals"]
