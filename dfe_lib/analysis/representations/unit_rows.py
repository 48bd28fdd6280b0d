"""Rows of action units, whoever coded them: the ideal coder from ψ, or a detector whose numbers a data set gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from dfe_lib.analysis.representations.base import Representation
from dfe_lib.analysis.representations.counts import bag_of_levels
from dfe_lib.analysis.representations.dynamics import events
from dfe_lib.analysis.representations.gathering import Tables, mean_sd
from dfe_lib.analysis.representations.learnt import WINDOW, FrameSample, UnitWords
from dfe_lib.analysis.representations.sequence import Seen
from dfe_lib.codings.facs import INTENSITIES

FACS_BAG = "FACS bag"
UNIT_FRAMES = 1000  # of a recording, for words of action units: 20 in a window of 4 s for 3 min, 68 kB each


class UnitRows:
    """``<row> mean+sd`` and ``<row> bag``; with ``dynamics`` also ``FACS events`` and ``FACS words``.

    Parameters
    ----------
    row : ``FACS``, or ``FACS ideal``.
    names : of the units.
    intensities : from the frames of a chunk to (m, k) numbers in 0–5.
    what : which units by which coder, for the notes.
    """

    def __init__(
        self,
        recordings: pd.Index,
        row: str,
        names: Sequence[str],
        intensities: Callable[[Seen], np.ndarray],
        what: str,
        dynamics: bool = True,
        seed: int = 0,
    ):
        self.row, self.names, self.what, self.dynamics, self.seed = row, list(names), what, dynamics, seed
        self._intensities = intensities
        self._tables, self._sample = Tables(recordings), FrameSample(UNIT_FRAMES, WINDOW)

    def take(self, seen: Seen) -> None:
        x, add = self._intensities(seen), self._tables.add
        add(
            f"{self.row} mean+sd",
            seen.frame(seen.mean_sd(x), mean_sd(self.names)),
            f"mean and sd of {self.what}",
        )
        bag = bag_of_levels(levels(x), seen.names[seen.group], self.names, INTENSITIES)
        add(f"{self.row} bag", bag, f"counts of unit and intensity; {self.what}")
        if self.dynamics:
            self._sample.add(seen, x)
            note = f"onsets a minute, length, peak and share of time of {self.what}"
            add("FACS events", events(seen, x, self.names), note)

    def made(self) -> list[Representation]:
        words = [UnitWords(self._tables.recordings, self._sample, seed=self.seed)] if self.dynamics else []
        return [*self._tables.made(), *words]


def levels(intensities: np.ndarray) -> np.ndarray:
    """(n, k) int64 levels 0–5 of intensities 0–5, rounded as a coder would write them."""
    return np.rint(intensities).astype(np.int64)
