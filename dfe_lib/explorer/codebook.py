"""What is known of every token: its name, its like, the action units it resembles, and how it is used."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dfe_lib.analysis.units import cosines
from dfe_lib.codings.action_units import action_units, au_basis
from dfe_lib.errors import InputError, choices
from dfe_lib.figures.naming import describe
from dfe_lib.space import ICT53

if TYPE_CHECKING:
    from dfe_lib.tokens import Tokenizer

ORDERS = ("number", "use", "size", "likeness")


@dataclass(frozen=True)
class UnitLike:
    """An action unit beside a token: ``code`` (AU12), its name in FACS, cosine in G (negative: taken back)."""

    code: str
    name: str
    cosine: float


class Codebook:
    """Facts on the codes of a tokenizer.

    Attributes
    ----------
    words : K texts, what each template does.
    size : (K,) float64, RMS displacement at gain 1, in the unit of the space (mm).
    """

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self.space = tokenizer.space
        self.words = describe(tokenizer.templates, tokenizer.space)
        self.size = tokenizer.space.norm(tokenizer.templates)

    def __len__(self) -> int:
        return len(self.tokenizer.templates)

    @cached_property
    def likeness(self) -> np.ndarray:
        """(K, K) cosines in G between templates."""
        return cosines(self.tokenizer.templates, self.tokenizer.templates, self.space)

    def alike(self, token: int, count: int = 6) -> list[tuple[int, float]]:
        """The tokens most like one, and their cosines in G, the most alike first; without itself."""
        row = self.likeness[token].copy()
        row[token] = -np.inf
        return [(int(k), float(row[k])) for k in np.argsort(-row, kind="stable")[:count]]

    @cached_property
    def _units(self) -> tuple[list[str], np.ndarray]:
        names, basis = au_basis("full")
        return names, cosines(self.tokenizer.templates, basis, self.space)

    def units(self, token: int, count: int = 4) -> list[UnitLike]:
        """The action units that a token resembles most, by |cosine| in G; empty in another space than ICT53."""
        if self.space.name != ICT53.name:
            return []
        names, cosine = self._units
        best = np.argsort(-np.abs(cosine[token]), kind="stable")[:count]
        table = action_units().units
        return [UnitLike(names[i], table[int(names[i][2:4])].name, float(cosine[token, i])) for i in best]

    def order(self, by: str, use: np.ndarray, token: int) -> list[int]:
        """Codes by number, by use (most first), by size (largest first) or by likeness to ``token``.

        Raises
        ------
        InputError : another order.
        """
        if by not in ORDERS:
            raise InputError(f"no such order: {choices(by, ORDERS)}")
        key = {
            "number": np.arange(len(self)),
            "use": -np.asarray(use),
            "size": -self.size,
            "likeness": -self.likeness[token],
        }[by]
        return [int(k) for k in np.argsort(key, kind="stable")]


def use_of(codes: np.ndarray, size: int) -> np.ndarray:
    """(K,) how often each code occurs in (n, S) codes; frames without a face (-1) do not count."""
    return np.bincount(codes[codes >= 0], minlength=size)


def compare_use(one: np.ndarray, two: np.ndarray, size: int) -> tuple[pd.DataFrame, float]:
    """How two recordings use the codebook.

    Parameters
    ----------
    one, two : (n, S) and (m, S) codes.
    size : K.

    Returns
    -------
    DataFrame ``token, one, two`` (shares of all tokens of each recording), codes of either one, the largest
    difference first; and the Jensen–Shannon distance of the two, 0 (alike) to 1 (no token in common), NaN where one
    recording has no face at all.
    """
    counts = [use_of(codes, size).astype(float) for codes in (one, two)]
    p, q = (c / c.sum() if c.sum() else c for c in counts)
    present = np.flatnonzero((p > 0) | (q > 0))
    order = present[np.argsort(-np.abs(p - q)[present], kind="stable")]
    table = pd.DataFrame({"token": order, "one": p[order], "two": q[order]})
    if not p.sum() or not q.sum():
        return table, float("nan")
    middle = (p + q) / 2

    def divergence(a: np.ndarray) -> float:
        on = a > 0
        return float((a[on] * np.log2(a[on] / middle[on])).sum())

    return table, float(np.sqrt(max(0.0, (divergence(p) + divergence(q)) / 2)))
