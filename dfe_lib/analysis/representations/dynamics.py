"""What counts and means leave out: how long a token stays, what follows it, and events of action units."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse

from dfe_lib.analysis.representations.base import training_rows
from dfe_lib.analysis.representations.sequence import Seen

# Ends of the classes of length that runs of a token are counted in: a frame or two, a blink, a short display, a
# display, a state. Our choice.
LENGTHS = (0.15, 0.4, 1.0, 2.5)
ONSET, OFFSET = (
    1.0,
    0.5,
)  # intensity, of 5, at which an event begins (FACS level A) and below which it is over


def run_lengths(seen: Seen, codes: np.ndarray, n_codes: int) -> pd.DataFrame:
    """How often each token was held for how long: words are like ``t12_0.4s``, a run of at most 0.4 s.

    Parameters
    ----------
    codes : (m,) one token per seen frame.

    Returns
    -------
    DataFrame of int64, ``n_codes`` times 5 columns; the last class, ``_longer``, has no end.
    """
    first, seconds = seen.runs(codes)
    word = codes[first].astype(np.int64) * (len(LENGTHS) + 1) + np.searchsorted(LENGTHS, seconds - 1e-9)
    labels = [f"{end:g}s" for end in LENGTHS] + ["longer"]
    columns = [f"t{k}_{label}" for k in range(n_codes) for label in labels]
    flat = seen.group[first] * len(columns) + word
    counts = np.bincount(flat, minlength=len(seen.names) * len(columns))
    return seen.frame(counts.reshape(len(seen.names), len(columns)), columns)


def transitions(seen: Seen, codes: np.ndarray, n_codes: int) -> sparse.csr_array:
    """How often each token came after each other one, (r, n_codes²) int64; staying is not counted.

    A gap without a face breaks the sequence, as :data:`~dfe_lib.analysis.representations.sequence.LONGEST_GAP` says.

    Parameters
    ----------
    codes : (m,) one token per seen frame.

    Returns
    -------
    Column ``a · n_codes + b`` counts a → b.
    """
    codes = np.asarray(codes, dtype=np.int64)
    changed = np.flatnonzero(seen.follows & np.append(False, codes[1:] != codes[:-1]))
    word = codes[changed - 1] * n_codes + codes[changed]
    ones = np.ones(len(changed), dtype=np.int64)
    shape = (len(seen.names), n_codes**2)
    return sparse.csr_array(sparse.coo_array((ones, (seen.group[changed], word)), shape=shape))


class Words:
    """Counts of the words that most training recordings have, out of more words than a table can hold.

    Parameters
    ----------
    table : (n, words) sparse counts.
    most : size of the vocabulary. Of words in equally many recordings the first is taken.
    """

    counts = True

    def __init__(self, name: str, recordings: pd.Index, table: sparse.csr_array, most: int, note: str):
        self.name, self.note, self.recordings, self.table = name, note, recordings, table
        self.columns = [f"word {i}" for i in range(min(most, table.shape[1]))]

    def vocabulary(self, train: np.ndarray) -> np.ndarray:
        """Columns of the table that are counted when ``train`` are the training rows, (d,)."""
        rows = self.table[np.flatnonzero(training_rows(train, len(self.recordings)))]
        spread = np.bincount(rows.indices, minlength=self.table.shape[1])
        return np.argsort(-spread, kind="stable")[: len(self.columns)]

    def vectors(self, train: np.ndarray) -> np.ndarray:
        return self.table[:, self.vocabulary(train)].toarray().astype(np.float64)


def events(seen: Seen, intensities: np.ndarray, names: list[str]) -> pd.DataFrame:
    """Events of action units: how many a minute, their mean length and mean peak, and the share of time.

    An event begins where the intensity reaches ``ONSET`` and ends where it falls below ``OFFSET``, so that noise around
    one threshold does not make many of one. It is over after a long gap without a face as well.

    Parameters
    ----------
    intensities : (m, k) in 0–5.

    Returns
    -------
    DataFrame with ``<unit>_per_minute``, ``<unit>_seconds``, ``<unit>_peak`` and ``<unit>_share``. Without an event all
    are 0.
    """
    x = np.asarray(intensities, np.float64)
    row = np.arange(len(x))[:, None]
    # The last frame with a verdict decides: begun (≥ ONSET), over (< OFFSET); a break in time is a verdict, too.
    verdict = (x >= ONSET) | (x < OFFSET) | ~seen.follows[:, None]
    last = np.maximum.accumulate(np.where(verdict, row, 0), axis=0)
    on = np.take_along_axis(x, last, axis=0) >= ONSET
    before = np.zeros_like(on)
    before[1:] = on[:-1] & seen.follows[1:, None]
    starts = on & ~before
    number = np.add.reduceat(starts, seen.starts, axis=0, dtype=np.float64)
    active = np.add.reduceat(on, seen.starts, axis=0, dtype=np.float64) * seen.step[:, None]
    peaks = np.zeros_like(number)
    for j in range(x.shape[1]):
        first = np.flatnonzero(starts[:, j])
        if len(first):
            peak = np.maximum.reduceat(np.where(on[:, j], x[:, j], 0.0), first)
            peaks[:, j] = np.bincount(seen.group[first], peak, minlength=len(peaks))
    some = np.maximum(number, 1)
    time = seen.count[:, None] * np.maximum(seen.step[:, None], 1e-9)
    parts = {"per_minute": 60 * number / time, "seconds": active / some, "peak": peaks / some}
    parts["share"] = active / time
    return seen.frame(
        np.concatenate(list(parts.values()), axis=1), [f"{name}_{part}" for part in parts for name in names]
    )
