"""How much of facial behaviour a coding covers: diversity, use, and the share of displays within a tolerance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dfe_lib.analysis.fidelity import frame_errors
from dfe_lib.errors import InputError
from dfe_lib.space import ICT53, ExpressionSpace


def diversity(templates: np.ndarray, space: ExpressionSpace = ICT53) -> float:
    """Mean pairwise G-cosine distance of K templates, 0 (all alike) to 2, without zero templates.

    >>> round(diversity(np.stack([ICT53.vector(jawOpen=1.0), ICT53.vector(jawOpen=0.3)])), 6)
    0.0
    """
    unit = space.check(templates).astype(np.float64) @ space.whitener
    length = np.linalg.norm(unit, axis=1)
    unit = unit[length > 1e-9] / length[length > 1e-9, None]
    k = len(unit)
    if k < 2:
        raise InputError(f"diversity needs at least two templates that move something, got {k}")
    off_diagonal = (unit.sum(axis=0) ** 2).sum() - k  # Σ_{i≠j} cos_ij without the k × k matrix
    return float(1 - off_diagonal / (k * (k - 1)))


def usage(codes: np.ndarray, n_codes: int) -> np.ndarray:
    """How often each of K codes is used at each stage, (S, K) int64; −1 (no face) is not counted."""
    codes = _table(codes)
    if codes.size and codes.max() >= n_codes:
        raise InputError(f"codes reach {codes.max()}, but the codebook has {n_codes} entries")
    return np.stack([np.bincount(column[column >= 0], minlength=n_codes) for column in codes.T])


def usage_entropy(codes: np.ndarray, n_codes: int) -> float:
    """Entropy in bits of token use over all stages, 0 … log2 K. ``2 ** entropy`` is the perplexity.

    >>> usage_entropy(np.array([[0, 1], [2, 3]]), 4)
    2.0
    """
    counts = usage(codes, n_codes).sum(axis=0)
    if not counts.sum():
        raise InputError("there is no token to count: every frame is without a face")
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log2(p)).sum()) + 0.0


def coverage_curve(
    psi: np.ndarray, psi_hat: np.ndarray, thresholds: Sequence[float], space: ExpressionSpace = ICT53
) -> np.ndarray:
    """Share of frames reproduced within each threshold (mm), (len(thresholds),) float64 in 0–1."""
    error = np.sort(frame_errors(psi, psi_hat, space))
    return np.searchsorted(error, np.asarray(thresholds, dtype=np.float64), side="right") / len(error)


def frequencies(codes: np.ndarray, ordered: bool = True) -> np.ndarray:
    """How often each distinct combination of codes occurs, (m,) int64, in no particular order.

    Parameters
    ----------
    codes : (n, S); rows with −1 are left out.
    ordered : whether the same codes at other stages are another combination.
    """
    codes = _table(codes)
    codes = codes[(codes >= 0).all(axis=1)]
    if not len(codes):
        raise InputError("there is no token combination to count: every frame is without a face")
    return np.unique(codes if ordered else np.sort(codes, axis=1), axis=0, return_counts=True)[1]


def _table(codes: np.ndarray) -> np.ndarray:
    codes = np.asarray(codes)
    if codes.ndim != 2 or not np.issubdtype(codes.dtype, np.integer) or not codes.size:
        raise InputError(
            f"codes must be a (frames, stages) array of integers, got {codes.dtype} {codes.shape}"
        )
    return codes
