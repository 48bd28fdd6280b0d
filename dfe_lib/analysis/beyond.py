"""Beyond FACS: the part of a display that action units cannot make, and who can.

Two readings of "cannot". Outside the **span**: no mixture of the units gives it, not even with negative intensities.
Outside the **cone**: no mixture with intensities of zero or more gives it, however strong; that is what a coder can
write. The cone is smaller, so more lies outside it. Both are taken in the metric G.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dfe_lib.codings.bounded import bounded_least_squares
from dfe_lib.errors import InputError, choices
from dfe_lib.space import ICT53, ExpressionSpace

KINDS = ("span", "cone")


@dataclass(frozen=True, eq=False)
class Beyond:
    """What lies outside the units, frame by frame.

    Attributes
    ----------
    rest : (n, m) float64, whitened (Euclidean length in mm): the part outside.
    energy : (n,) ‖ψ‖²_G in mm².
    """

    rest: np.ndarray
    energy: np.ndarray

    @property
    def outside(self) -> np.ndarray:
        """(n,) squared length of the part outside, mm²."""
        return (self.rest**2).sum(axis=1)

    @property
    def share(self) -> float:
        """Share of Σ‖ψ‖²_G that lies outside, 0–1."""
        return float(self.outside.sum() / self.energy.sum())


def beyond(psi: np.ndarray, basis: np.ndarray, kind: str = "cone", space: ExpressionSpace = ICT53) -> Beyond:
    """Part of each ψ outside the span, or the non-negative cone, of ``basis`` (k, d).

    For the cone it is ψ minus its projection by non-negative least squares, which is orthogonal to that projection
    (Moreau), so its share of the variance is well defined.

    Raises
    ------
    InputError : an unknown kind, frames that are all neutral, a basis that moves nothing.
    """
    if kind not in KINDS:
        raise InputError(f"unknown kind of outside: {choices(kind, KINDS)}")
    whitened = space.check(psi).astype(np.float64) @ space.whitener
    atoms = space.check(basis).astype(np.float64) @ space.whitener
    energy = (whitened**2).sum(axis=1)
    if energy.sum() == 0:
        raise InputError("all frames are neutral: there is no variance to split")
    if kind == "span":
        u, size, _ = np.linalg.svd(atoms.T, full_matrices=False)
        q = u[:, size > 1e-9 * size.max(initial=0)]  # a basis may repeat itself
        if not q.size:
            raise InputError("the basis moves nothing")
        return Beyond(whitened - whitened @ q @ q.T, energy)
    return Beyond(whitened - bounded_least_squares(whitened, atoms) @ atoms, energy)


def reproduced(true: Beyond, answer: Beyond) -> float:
    """Share of what lies outside that an answer has outside too: 1 − Σ‖rest − rest̂‖² / Σ‖rest‖².

    1 is perfect, 0 what the units themselves reach, below 0 worse than leaving it out; NaN where nothing is outside.
    """
    outside = true.outside.sum()
    if outside <= 1e-9 * true.energy.sum():
        return float("nan")
    return float(1 - ((true.rest - answer.rest) ** 2).sum() / outside)


def reproduced_terms(true: Beyond, answer: Beyond) -> np.ndarray:
    """(n, 2) terms whose sums give :func:`reproduced` by :func:`dfe_lib.analysis.statistics.explained`."""
    return np.stack([true.outside, ((true.rest - answer.rest) ** 2).sum(axis=1)], axis=1)


def worst_distinct(
    badness: np.ndarray, directions: np.ndarray, count: int, alike: float = 0.7, fewest_mm: float = 0.3
) -> np.ndarray:
    """Frames that are worst, one of each kind: indices in falling order of ``badness``.

    A frame whose direction has a cosine above ``alike`` with one already taken shows the same and is left out.

    Parameters
    ----------
    badness : (n,) mm. directions : (n, m) whitened, e.g. the error.
    fewest_mm : what is smaller is not worth a picture.
    """
    length = np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
    unit = np.asarray(directions) / length
    chosen: list[int] = []
    for i in np.argsort(-np.asarray(badness), kind="stable"):
        if len(chosen) == count or badness[i] < fewest_mm:
            break
        if all(unit[i] @ unit[j] <= alike for j in chosen):
            chosen.append(int(i))
    return np.array(chosen, dtype=np.int64)
