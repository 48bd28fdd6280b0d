"""A bounded, even sample of a stream whose length nobody knows yet."""

from __future__ import annotations

import numpy as np

from dfe_lib.frames import N_LANDMARKS


class EvenSample:
    """Every k-th row of a stream; k doubles whenever more than ``size`` would be kept.

    Parameters
    ----------
    size : how many are kept at most. shape : of one row; by default that of landmarks.

    Examples
    --------
    >>> sample = EvenSample(4, shape=(1,))
    >>> for i in range(10):
    ...     sample.add(np.full(1, i, np.float32))
    >>> sample.rows()[:, 0].tolist()
    [0.0, 4.0, 8.0]
    """

    def __init__(self, size: int, shape: tuple[int, ...] = (N_LANDMARKS, 3)):
        self.size = size
        self.shape = shape
        self.passed = 0
        self._kept: list[np.ndarray] = []
        self._stride = 1

    def add(self, row: np.ndarray) -> None:
        """Let one row pass, and keep it if it is its turn."""
        if self.passed % self._stride == 0:
            self._kept.append(np.array(row))  # a copy: a view would keep all that it was cut from
            if len(self._kept) > self.size:
                self._kept = self._kept[::2]
                self._stride *= 2
        self.passed += 1

    def rows(self) -> np.ndarray:
        """(m, *shape) float32, m ≤ size."""
        return np.stack(self._kept) if self._kept else np.empty((0, *self.shape), np.float32)
