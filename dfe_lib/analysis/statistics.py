"""Intervals and tests in which the subject is the unit, exact and fast for any score made of sums.

Every score here is a function of per-subject sums (a confusion matrix, or n, Σy, Σŷ, Σy², …). Then resampling
subjects, or swapping two methods within subjects, is one matrix product for all replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


@dataclass(frozen=True)
class Difference:
    """What method a has over method b on the same subjects.

    Attributes
    ----------
    value, low, high : score(a) − score(b) and its 95 % interval; NaN with one unit only.
    p : of :func:`paired_permutation`; NaN with one unit only.
    units : how many subjects (or recordings) it stands on.
    """

    value: float
    low: float
    high: float
    p: float
    units: int


FEWEST_UNITS = 6  # with five, no two-sided swap test can reach 0.05: 2 / 2⁵ = 0.0625


def unit_sums(terms: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Sums of (n, m) terms within each of U units (subjects), (U, m) float64, in the order of their names.

    >>> unit_sums(np.array([[1.0], [2.0], [5.0]]), np.array(["a", "b", "a"])).ravel().tolist()
    [6.0, 2.0]
    """
    terms = np.asarray(terms, dtype=np.float64)
    terms = terms[:, None] if terms.ndim == 1 else terms
    names, index = np.unique(np.asarray(units), return_inverse=True)
    if len(index) != len(terms):
        raise InputError(f"{len(terms)} rows need as many units, got {len(index)}")
    member = np.zeros((len(names), terms.shape[1]))
    np.add.at(member, index, terms)
    return member


def ratio(sums: np.ndarray) -> np.ndarray:
    """Second sum over the first: with ones and values, the mean; NaN where the first is zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sums[..., 0] != 0, sums[..., 1] / sums[..., 0], np.nan)


def explained(sums: np.ndarray) -> np.ndarray:
    """Variance explained: 1 − second sum over the first (Σ‖ψ‖², Σ‖ψ − ψ̂‖²)."""
    return 1 - ratio(sums)


def mean_interval(values: np.ndarray, units: np.ndarray, rng: np.random.Generator) -> Interval:
    """Mean of (n,) values over frames, with a bootstrap interval over units; NaN ends with one unit only."""
    return score_interval(np.stack([np.ones(len(values)), values], axis=1), units, ratio, rng)


def mean_intervals(
    values: np.ndarray, units: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of (n, m) values with 95 % intervals, (m,) each: :func:`mean_interval` of many columns in one draw."""
    ones = np.ones(len(values))
    found = score_intervals([np.stack([ones, column], axis=1) for column in values.T], units, ratio, rng)
    return tuple(np.array([getattr(f, end) for f in found]) for end in ("value", "low", "high"))


def score_intervals(
    terms: Sequence[np.ndarray],
    units: np.ndarray,
    score: Score,
    rng: np.random.Generator,
    replicates: int = 2000,
) -> list[Interval]:
    """:func:`score_interval` of several (n, m) terms of the same frames; the units are resampled once for all."""
    sums = [unit_sums(t, units) for t in terms]
    count = len(sums[0])
    if count < 2:
        return [Interval(float(score(s.sum(axis=0))), np.nan, np.nan) for s in sums]
    weights = rng.multinomial(count, np.full(count, 1 / count), size=replicates).astype(np.float64)
    ends = [np.nanquantile(score(weights @ s), [0.025, 0.975]) for s in sums]
    return [
        Interval(float(score(s.sum(axis=0))), float(low), float(high))
        for s, (low, high) in zip(sums, ends, strict=True)
    ]


def score_interval(terms: np.ndarray, units: np.ndarray, score: Score, rng: np.random.Generator) -> Interval:
    """Score of (n, m) terms per frame, with a bootstrap interval over units; NaN ends with one unit only."""
    return score_intervals([terms], units, score, rng)[0]


def paired_difference(
    a: np.ndarray,
    b: np.ndarray,
    units: np.ndarray,
    score: Score,
    rng: np.random.Generator,
    replicates: int = 2000,
) -> Difference:
    """score(a) − score(b) on the same frames: units are resampled for the interval, swapped for the p-value.

    Parameters
    ----------
    a, b : (n, m) terms per frame, row by row of the same frame.
    units : (n,) whose frame it is.
    """
    one, two = unit_sums(a, units), unit_sums(b, units)
    value = float(score(one.sum(axis=0)) - score(two.sum(axis=0)))
    if len(one) < 2:
        return Difference(value, np.nan, np.nan, np.nan, len(one))
    weights = rng.multinomial(len(one), np.full(len(one), 1 / len(one)), size=replicates)
    low, high = np.nanquantile(score(weights @ one) - score(weights @ two), [0.025, 0.975])
    p = paired_permutation(one, two, score, rng)
    return Difference(value, float(low), float(high), p, len(one))
