"""A bounded, even sample of a stream whose length nobody knows yet."""

from __future__ import annotations

import numpy as np

from dfe_lib.frames import N_LANDMARKS


class EvenSample:
    """Every k-th landmarks of a stream; k doubles whenever more than ``size`` would be kept.

    Examples
    --------
    >>> sample = EvenSample(4)
    >>> for i in range(10):
    ...     sample.add(np.full((478, 3), i, np.float32))
    >>> sample.landmarks()[:, 0, 0].tolist()
    [0.0, 4.0, 8.0]
    """

    def __init__(self, size: int):
        self.size = size
        self.passed = 0
        self._kept: list[np.ndarray] = []
        self._stride = 1

    def add(self, landmarks: np.ndarray) -> None:
        """Let one frame's (478, 3) landmarks pass, and keep them if it is their turn."""
        if self.passed % self._stride == 0:
            self._kept.append(landmarks)
            if len(self._kept) > self.size:
                self._kept = self._kept[::2]
                self._stride *= 2
        self.passed += 1

    def landmarks(self) -> np.ndarray:
        """(m, 478, 3) float32, m ≤ size."""
        return np.stack(self._kept) if self._kept else np.empty((0, N_LANDMARKS, 3), np.float32)
