"""From raw vectors to what a linear model is fitted on: weighted, imputed, scaled and rotated within a fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dfe_lib.analysis.representations import CountWeights


def prepare(
    features: tuple[np.ndarray, bool], train: np.ndarray, test: np.ndarray, learn: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Training and test rows, weighted or standardised by the training rows, mean squared length 1.

    Counts get TF-IDF weights. Other values: what is missing becomes the median, and what never varies becomes 0.

    Parameters
    ----------
    features : (n, d) values, NaN where not measured, and whether they are counts.
    learn : rows that weights and scales are learnt on; the training rows. Anything else leaks, and exists only for
        :func:`dfe_lib.analysis.prediction.controls.leakage`.
    """
    values, counts = features
    a, b = values[train], values[test]
    known = a if learn is None else values[learn]
    if counts:
        weights = CountWeights().fit(known)
        known, a, b = (weights.transform(x) for x in (known, a, b))
    else:
        if np.isnan(known).any() or np.isnan(a).any() or np.isnan(b).any():
            # A column that no training row has becomes 0 everywhere.
            middle = np.nanmedian(np.where(np.isnan(known).all(axis=0), 0.0, known), axis=0)
            known, a, b = (np.where(np.isnan(x), middle, x) for x in (known, a, b))
        spread = known.std(axis=0)
        inverse = np.where(spread > 1e-9, 1 / np.where(spread > 1e-9, spread, 1), 0)
        known, a, b = known * inverse, a * inverse, b * inverse
    centre = known.mean(axis=0)
    scale = np.sqrt(np.mean(np.sum((known - centre) ** 2, axis=1))) or 1.0
    return (a - centre) / scale, (b - centre) / scale


@dataclass(frozen=True, eq=False)
class Design:
    """Prepared rows of one fold in coordinates in which training rows have a diagonal Gram matrix.

    A penalty on squared weights does not see the rotation, and a wide table becomes as narrow as it is long.

    Attributes
    ----------
    train, test : (n, r), (m, r) with r ≤ min(n, d).
    squares : (r,) squared singular values, the diagonal of ``train.T @ train``.
    turns : matrices whose product takes columns to coordinates.
    """

    train: np.ndarray
    test: np.ndarray
    squares: np.ndarray
    turns: tuple[np.ndarray, ...]

    def weights(self, coefficients: np.ndarray) -> np.ndarray:
        """(d, k) weights of the prepared columns from (r, k) of the coordinates."""
        for turn in reversed(self.turns):
            coefficients = turn @ coefficients
        return coefficients


def rotate(a: np.ndarray, b: np.ndarray) -> Design:
    """The design of prepared training rows a (n, d) and test rows b (m, d).

    Singular vectors come from the smaller Gram matrix; directions with less than 1e-10 of the largest square are
    nothing but rounding and are dropped.
    """
    n, d = a.shape
    squares, vectors = np.linalg.eigh(a @ a.T if d > n else a.T @ a)
    kept = squares > 1e-10 * max(squares[-1], 1e-300)
    squares, vectors = squares[kept], np.ascontiguousarray(vectors[:, kept])
    turns = (np.ascontiguousarray(a.T), vectors / np.sqrt(squares)) if d > n else (vectors,)
    train = vectors * np.sqrt(squares) if d > n else a @ vectors
    for turn in turns:
        b = b @ turn
    return Design(train, b, squares, turns)
