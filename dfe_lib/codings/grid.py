"""Uniform levels for the coefficients of a linear coding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Grid:
    """Uniform levels per unit: unit j takes the values ``low[j] + i · step[j]``, i = 0 … levels[j] − 1.

    Attributes
    ----------
    low, high : (k,) float64, ends of the range in units of the coefficient.
    levels : (k,) int64, at least 2 each.
    """

    low: np.ndarray
    high: np.ndarray
    levels: np.ndarray

    @property
    def step(self) -> np.ndarray:
        return (self.high - self.low) / (self.levels - 1)

    @property
    def bits(self) -> float:
        return float(np.log2(self.levels).sum())

    def quantise(self, values: np.ndarray) -> np.ndarray:
        """Nearest level of each (n, k) value, (n, k) int16; values beyond the range take its end."""
        step = np.where(self.step > 0, self.step, 1.0)
        index = np.rint((np.clip(values, self.low, self.high) - self.low) / step)
        return index.astype(np.int16)

    def values(self, codes: np.ndarray) -> np.ndarray:
        """(n, k) float64 values of (n, k) levels.

        >>> Grid(np.zeros(1), np.ones(1), np.array([6])).values(np.array([[5], [1]])).ravel().tolist()
        [1.0, 0.2]
        """
        return self.low + codes * self.step
