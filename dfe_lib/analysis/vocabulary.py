"""How the codes of a codebook are used: evenness per stage, Zipf's law, and which codes keep company."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dfe_lib.analysis.coverage import usage
from dfe_lib.errors import InputError


def stage_usage(codes: np.ndarray, n_codes: int) -> pd.DataFrame:
    """One row per stage: ``stage`` (1 …), ``used`` codes, ``perplexity`` and ``zipf`` exponent.

    Perplexity is 2 to the entropy, in codes: K is perfectly even use. The exponent a of ``frequency ∝ rank^−a`` is a
    least-squares slope of the logarithms, over codes seen at least five times (rarer ones have a count too noisy to
    rank); NaN with fewer than three of them.
    """
    rows = []
    for stage, counts in enumerate(usage(codes, n_codes), start=1):
        if not counts.sum():
            raise InputError(f"stage {stage} has no token to count")
        p = counts[counts > 0] / counts.sum()
        rows.append(
            {
                "stage": stage,
                "used": int((counts > 0).sum()),
                "perplexity": float(2 ** -(p * np.log2(p)).sum()),
                "zipf": zipf_exponent(counts),
            }
        )
    return pd.DataFrame(rows)


def rank_frequency(codes: np.ndarray, n_codes: int) -> pd.DataFrame:
    """Share of tokens by rank and stage: ``stage, rank, share``, codes that occur only."""
    parts = []
    for stage, counts in enumerate(usage(codes, n_codes), start=1):
        sorted_counts = -np.sort(-counts[counts > 0])
        share = sorted_counts / max(counts.sum(), 1)
        parts.append(pd.DataFrame({"stage": stage, "rank": np.arange(1, len(share) + 1), "share": share}))
    return pd.concat(parts, ignore_index=True)


def zipf_exponent(counts: np.ndarray, fewest: int = 5) -> float:
    """a of ``count ∝ rank^−a``; see :func:`stage_usage`.

    >>> round(zipf_exponent(np.array([1000, 500, 333, 250, 200])), 2)
    1.0
    """
    counts = -np.sort(-np.asarray(counts))
    counts = counts[counts >= fewest]
    if len(counts) < 3:
        return float("nan")
    return float(-np.polyfit(np.log(np.arange(1, len(counts) + 1)), np.log(counts), 1)[0])


def cooccurrence(codes: np.ndarray, n_codes: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames in which two codes occur together, at whatever stages, and how many independent stages would give.

    Parameters
    ----------
    codes : (n, S); rows with −1 are left out.

    Returns
    -------
    observed : (K, K) int64, frames that hold both codes; the diagonal is zero.
    expected : (K, K) float64, the same if every stage drew its code by itself, from its own frequencies.
    """
    codes = np.asarray(codes)
    counts = usage(codes, n_codes)
    codes = codes[(codes >= 0).all(axis=1)]
    if not len(codes):
        raise InputError("there is no frame with a face")
    present = np.zeros((len(codes), n_codes), dtype=np.float32)
    np.put_along_axis(present, codes.astype(np.int64), 1.0, axis=1)
    observed = (present.T @ present).astype(np.int64)
    p = counts / counts.sum(axis=1, keepdims=True)
    without = np.prod(1 - p, axis=0)  # chance that a code is nowhere
    neither = np.prod(np.maximum(1 - p[:, :, None] - p[:, None, :], 0), axis=0)
    expected = len(codes) * (1 - without[:, None] - without[None, :] + neither)
    np.fill_diagonal(observed, 0)
    np.fill_diagonal(expected, 0)
    return observed, np.maximum(expected, 0)


def company(codes: np.ndarray, n_codes: int, fewest: int = 5) -> pd.DataFrame:
    """Pairs of codes by how much more often than by chance they occur together.

    Returns
    -------
    DataFrame ``a, b`` (codes, a < b), ``together`` and ``expected`` frames, ``lift`` (log2 of their ratio), the
    strongest first; pairs of which neither number reaches ``fewest`` are left out.
    """
    observed, expected = cooccurrence(codes, n_codes)
    a, b = np.triu_indices(n_codes, 1)
    table = pd.DataFrame({"a": a, "b": b, "together": observed[a, b], "expected": expected[a, b]})
    table = table[(table["together"] >= fewest) | (table["expected"] >= fewest)]
    # Half a frame on both sides: a pair that never occurs has a finite lift.
    table["lift"] = np.log2((table["together"] + 0.5) / (table["expected"] + 0.5))
    return table.sort_values("lift", ascending=False, ignore_index=True)
