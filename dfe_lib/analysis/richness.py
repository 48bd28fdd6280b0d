"""How rich a vocabulary is: combinations seen, combinations that must exist, and how fast new ones come.

The ecologist's estimators (species = combinations of codes, individuals = frames). They assume that frames are drawn
one by one; neighbouring frames of a film are not, so films look poorer than as many single pictures would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import gammaln

from dfe_lib.analysis.coverage import frequencies
from dfe_lib.errors import InputError


@dataclass(frozen=True)
class Richness:
    """What counts of combinations say.

    Attributes
    ----------
    frames, seen : frames counted, and distinct combinations among them.
    good_turing : chance that the next frame shows a combination seen before, 0–1.
    chao1, low, high : lower bound on how many combinations exist, with its 95 % interval.
    """

    frames: int
    seen: int
    good_turing: float
    chao1: float
    low: float
    high: float


def richness(counts: np.ndarray) -> Richness:
    """Good–Turing coverage and Chao1 richness of counts, each at least 1.

    Chao1 is the bias-corrected form; its variance and log-normal interval are those of Chao (1987, Biometrics 43)
    as EstimateS gives them.

    Examples
    --------
    >>> found = richness(np.array([3, 2, 1, 1, 1]))    # f₁ = 3, f₂ = 1
    >>> found.good_turing, found.chao1
    (0.625, 6.5)
    """
    counts = _counts(counts)
    n, seen = int(counts.sum()), len(counts)
    f1, f2 = int((counts == 1).sum()), int((counts == 2).sum())
    unseen = f1 * (f1 - 1) / (2 * (f2 + 1))
    if f1 and f2:
        variance = (
            f1 * (f1 - 1) / (2 * (f2 + 1))
            + f1 * (2 * f1 - 1) ** 2 / (4 * (f2 + 1) ** 2)
            + f1**2 * f2 * (f1 - 1) ** 2 / (4 * (f2 + 1) ** 4)
        )
    else:
        variance = unseen + f1 * (2 * f1 - 1) ** 2 / 4 - f1**4 / (4 * (seen + unseen)) if f1 else 0.0
    low = high = float(seen + unseen)
    if unseen > 0 and variance > 0:
        spread = np.exp(1.96 * np.sqrt(np.log1p(variance / unseen**2)))
        low, high = seen + unseen / spread, seen + unseen * spread
    return Richness(n, seen, 1 - f1 / n, float(seen + unseen), float(low), float(high))


def rarefaction(counts: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Expected number of distinct combinations in random samples of m frames (Hurlbert 1971), one per size.

    ``E[S_m] = Σ_i 1 − C(n − n_i, m) / C(n, m)``.

    Raises
    ------
    InputError : a size below 1 or above the number of frames counted.

    Examples
    --------
    >>> rarefaction(np.array([1, 1]), [1, 2]).round(6).tolist()    # two frames, two combinations
    [1.0, 2.0]
    """
    counts = _counts(counts)
    n = int(counts.sum())
    sizes = np.asarray(sizes, dtype=np.int64)
    if sizes.size and (sizes.min() < 1 or sizes.max() > n):
        raise InputError(f"sample sizes must lie in 1 … {n}, got {sizes.min()} … {sizes.max()}")
    values, times = np.unique(counts, return_counts=True)  # combinations of one count are alike
    m = sizes[:, None]
    rest = n - values
    possible = rest >= m
    log_missed = gammaln(rest + 1) - gammaln(np.where(possible, rest - m, 0) + 1)
    log_missed = log_missed - (gammaln(n + 1) - gammaln(n - m + 1))
    missed = np.where(possible, np.exp(log_missed), 0.0)
    return ((1 - missed) * times).sum(axis=1)


def richness_by_stage(codes: np.ndarray) -> pd.DataFrame:
    """One row per number of stages kept, 1 … S: ``stages, frames, seen, good_turing, chao1, low, high``."""
    rows = []
    for stages in range(1, np.asarray(codes).shape[1] + 1):
        found = richness(frequencies(np.asarray(codes)[:, :stages]))
        rows.append({"stages": stages, **found.__dict__})
    return pd.DataFrame(rows)


def rarefaction_by_stage(codes: np.ndarray, points: int = 40) -> pd.DataFrame:
    """Rarefaction curves of the first 1 … S stages: ``stages, frames, expected``."""
    parts = []
    for stages in range(1, np.asarray(codes).shape[1] + 1):
        counts = frequencies(np.asarray(codes)[:, :stages])
        sizes = np.unique(np.geomspace(1, counts.sum(), points).astype(int))
        parts.append(
            pd.DataFrame({"stages": stages, "frames": sizes, "expected": rarefaction(counts, sizes)})
        )
    return pd.concat(parts, ignore_index=True)


def _counts(counts: np.ndarray) -> np.ndarray:
    counts = np.asarray(counts)
    if counts.ndim != 1 or not len(counts) or not np.issubdtype(counts.dtype, np.integer) or counts.min() < 1:
        raise InputError("counts are whole numbers of at least 1, one per combination that was seen")
    return counts
