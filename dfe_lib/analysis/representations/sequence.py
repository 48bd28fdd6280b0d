"""The frames of a chunk of recordings in which a face was seen, and what follows from their order in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.errors import InputError

LONGEST_GAP = 0.5  # seconds without a face, after which what was going on is taken to be over; our choice


@dataclass(frozen=True, eq=False)
class Seen:
    """Whole recordings, one after the other, without the frames in which no face was found.

    Attributes
    ----------
    names : (r,) recordings, sorted.
    starts : (r,) first row of each; rows of one recording are neighbours, in the order of time.
    values : (m, d) float32: ψ, or intensities of action units.
    time : (m,) float64, seconds.
    step : (r,) float64, seconds from frame to frame: the median over all frames, seen or not.
    whole : (r, 3) float64: frames, seconds, and share of frames with a face, of each recording.
    table : the rows of the frame table.
    """

    names: np.ndarray
    starts: np.ndarray
    values: np.ndarray
    time: np.ndarray
    step: np.ndarray
    whole: np.ndarray
    table: pd.DataFrame

    @classmethod
    def of(
        cls,
        table: pd.DataFrame,
        names: Sequence[str],
        read: Callable[[pd.DataFrame, Sequence[str]], np.ndarray] = frames.psi,
    ) -> Seen:
        """From a frame table of whole recordings.

        Parameters
        ----------
        names : of the d values: coefficients, or action units.
        read : takes them from a frame table.

        Raises
        ------
        InputError : a recording without a detected face, by name; or one whose values are not finite where a face is.
        """
        group, who = pd.factorize(table["recording"], sort=True)
        who = who.to_numpy(dtype=object)
        order = np.argsort(group, kind="stable")
        if (np.diff(order) != 1).any():
            table, group = table.iloc[order], group[order]
        n = np.bincount(group)
        time, found = table["time_s"].to_numpy(), table["detected"].to_numpy()
        first = np.cumsum(n) - n
        step = np.array(
            [np.median(np.diff(time[a : a + k])) if k > 1 else 0.0 for a, k in zip(first, n, strict=True)]
        )
        seconds = time[first + n - 1] - time[first] + step
        count = np.bincount(group[found], minlength=len(who))
        if (count == 0).any():
            empty = who[count == 0]
            raise InputError(
                f"no face was found in recording '{empty[0]}' ({len(empty)} such); leave such recordings out of "
                "the cohort, and say how many they are"
            )
        if not found.all():
            table = table[found]
        values = read(table, names)
        bad = ~np.isfinite(values).all(axis=1)
        if bad.any():
            raise InputError(
                f"recording '{table['recording'].iloc[int(np.argmax(bad))]}' has frames with a face but without "
                f"{names[0]} … {names[-1]} ({bad.sum()} such frames); measure it again, or set detected to False there"
            )
        whole = np.column_stack([n, seconds, count / n]).astype(np.float64)
        return cls(who, np.cumsum(count) - count, values, time[found], step, whole, table)

    @cached_property
    def count(self) -> np.ndarray:
        """(r,) frames with a face."""
        return np.diff(np.append(self.starts, len(self.values)))

    @cached_property
    def group(self) -> np.ndarray:
        """(m,) number of each frame's recording."""
        return np.repeat(np.arange(len(self.names)), self.count)

    @cached_property
    def follows(self) -> np.ndarray:
        """(m,) bool: the frame goes on from the one before: same recording, and no long gap between them."""
        limit = np.maximum(LONGEST_GAP, 1.5 * self.step)[self.group[1:]]
        goes_on = (np.diff(self.group) == 0) & (np.diff(self.time) <= limit)
        return np.append(False, goes_on)

    def runs(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Stretches of one value: (k,) their first rows, and (k,) their seconds.

        Parameters
        ----------
        values : (m,) one value per frame.
        """
        same = np.append(False, values[1:] == values[:-1]) & self.follows
        first = np.flatnonzero(~same)
        return first, np.diff(np.append(first, len(values))) * self.step[self.group[first]]

    def means(self, values: np.ndarray) -> np.ndarray:
        """(r, k) float64 means over the frames of each recording."""
        sums = np.add.reduceat(np.asarray(values, np.float64), self.starts, axis=0)
        return sums / self.count[:, None]

    def mean_sd(self, values: np.ndarray) -> np.ndarray:
        """(r, 2k) float64: means, then standard deviations (ddof 0), over the frames of each recording."""
        values = np.asarray(values, np.float64)
        mean = self.means(values)
        return np.concatenate([mean, np.sqrt(self.means((values - mean[self.group]) ** 2))], axis=1)

    def frame(self, values: np.ndarray, columns: list[str]) -> pd.DataFrame:
        """A table of these recordings."""
        return pd.DataFrame(values, index=pd.Index(self.names, name="recording"), columns=columns)

    def spread(self, most: int) -> np.ndarray:
        """Rows of at most ``most`` frames of each recording, evenly spread."""
        kept = np.minimum(self.count, most)
        within = np.arange(kept.sum()) - np.repeat(np.cumsum(kept) - kept, kept)
        own = np.repeat(np.arange(len(kept)), kept)
        return self.starts[own] + (2 * within + 1) * self.count[own] // (2 * kept[own])
