"""Intervals and tests in which the subject is the unit, exact and fast for any score made of sums.

Every score here is a function of per-subject sums (a confusion matrix, or n, Σy, Σŷ, Σy², …). Then resampling
subjects, or swapping two methods within subjects, is one matrix product for all replicates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dfe_lib.errors import InputError

Score = Callable[[np.ndarray], np.ndarray]  # (…, m) sums → (…,) scores


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval."""

    value: float
    low: float
    high: float


def bootstrap_interval(
    sums: np.ndarray, score: Score, rng: np.random.Generator, replicates: int = 2000, level: float = 0.95
) -> Interval:
    """Percentile bootstrap over subjects.

    Parameters
    ----------
    sums : (subjects, m) float, one row of sums per subject.
    score : from summed rows to the score.

    Raises
    ------
    InputError : fewer than two subjects.
    """
    sums = np.asarray(sums, dtype=np.float64)
    if len(sums) < 2:
        raise InputError(f"an interval over subjects needs at least 2 subjects, got {len(sums)}")
    weights = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=replicates)
    scores = score(weights @ sums)
    tail = (1 - level) / 2
    low, high = np.nanquantile(scores, [tail, 1 - tail])
    return Interval(float(score(sums.sum(axis=0))), float(low), float(high))


def paired_permutation(
    sums_a: np.ndarray, sums_b: np.ndarray, score: Score, rng: np.random.Generator, permutations: int = 4999
) -> float:
    """Two-sided p-value that methods a and b differ, by swapping them within subjects.

    With n subjects and 2ⁿ ≤ ``permutations`` all swaps are enumerated and the p-value is exact; else it is
    (1 + hits) / (1 + permutations).

    Parameters
    ----------
    sums_a, sums_b : (subjects, m), the same subjects in the same order.
    """
    a, b = np.asarray(sums_a, dtype=np.float64), np.asarray(sums_b, dtype=np.float64)
    if a.shape != b.shape or not len(a):
        raise InputError(f"a paired test needs the same subjects twice, got {a.shape} and {b.shape}")
    n = len(a)
    observed = abs(score(a.sum(axis=0)) - score(b.sum(axis=0)))
    exact = n < 40 and 2**n <= permutations
    swap = (np.arange(2**n)[:, None] >> np.arange(n)) & 1 if exact else rng.integers(0, 2, (permutations, n))
    moved = swap @ (b - a)
    difference = np.abs(score(a.sum(axis=0) + moved) - score(b.sum(axis=0) - moved))
    hits = int((difference >= observed - 1e-12).sum())
    return hits / len(swap) if exact else (1 + hits) / (1 + len(swap))


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down adjustment of p-values, in the order given; NaN stays NaN and is not counted.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1) if len(order) else []
    return adjusted
