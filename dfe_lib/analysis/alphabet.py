"""The alphabet in which the frames of a cohort are written: tokens, or action units where there is no ψ.

What asks for words of frames (which of them drive a prediction, when they occur, what they look like) goes through
one of these and need not know which it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.analysis.representations import DFE_BAG, FACS_BAG
from dfe_lib.analysis.representations.unit_rows import levels
from dfe_lib.codings.facs import INTENSITIES, au_basis
from dfe_lib.data.cohort import UNITS, Cohort
from dfe_lib.data.datasets.columns import intensities, units_of
from dfe_lib.errors import InputError, choices
from dfe_lib.space import ICT53, ExpressionSpace


@dataclass(frozen=True, eq=False)
class Alphabet:
    """Words of frames.

    Attributes
    ----------
    row : the row of the tables that counts them; what other rows are compared with.
    words : K names, e.g. ``t12`` or ``AU12_3``; the row's columns are among them.
    templates : (K, d) ψ that each stands for; zeros where it has no look.
    space : of the templates.
    codes : from a frame table, detected frames only, to (n, S) numbers of its words.
    """

    row: str
    words: list[str]
    templates: np.ndarray
    space: ExpressionSpace
    codes: Callable[[pd.DataFrame], np.ndarray]

    def write(self, table: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
        """The words of a frame table's detected frames, (n, S), and which frames these are: ``recording, time_s``."""
        seen = table[table["detected"]].reset_index(drop=True)
        return self.codes(seen), seen[["recording", "time_s"]]

    def written(self, cohort: Cohort) -> Iterator[tuple[np.ndarray, pd.DataFrame]]:
        """:meth:`write` of whole recordings at a time; nothing is kept, so that a cohort may be of any size."""
        return (self.write(chunk) for chunk in cohort.chunks() if chunk["detected"].any())

    def numbers(self, features: Sequence[str]) -> list[int]:
        """Numbers of words, by the columns of ``row``.

        Raises
        ------
        InputError : a name that is none of ``words``.
        """
        at = {word: i for i, word in enumerate(self.words)}
        wrong = [f for f in features if f not in at]
        if wrong:
            raise InputError(f"not a column of '{self.row}': {choices(wrong[0], self.words[:4])}")
        return [at[f] for f in features]


def alphabet_of(cohort: Cohort, tokenizer: Any, method: str = "greedy") -> Alphabet:
    """Tokens where frames hold ψ; where they hold action units alone, each unit at each of its levels.

    Parameters
    ----------
    method : how the tokenizer searches.

    Examples
    --------
    >>> from dfe_lib.data.simulation import CohortConfig, simulate_cohort
    >>> from dfe_lib.tokens import Tokenizer
    >>> cohort = simulate_cohort(CohortConfig(subjects=2, recordings=1, seconds=1), seed=0)
    >>> alphabet_of(cohort, Tokenizer.load()).words[:2]
    ['t0', 't1']
    """
    if cohort.holds == UNITS:
        return _of_units(units_of(cohort))
    names = tokenizer.space.names
    return Alphabet(
        DFE_BAG,
        [f"t{k}" for k in range(len(tokenizer.templates))],
        tokenizer.templates,
        tokenizer.space,
        lambda table: tokenizer.encode(frames.psi(table, names), method=method),
    )


def _of_units(units: list[str]) -> Alphabet:
    """Every unit has a word for each level, absence included: a frame has one word per unit."""
    known = dict(zip(*au_basis("full"), strict=True))
    shapes = np.array([known.get(unit, np.zeros(ICT53.dimension)) for unit in units])
    steps = np.arange(INTENSITIES) / (INTENSITIES - 1)
    templates = (shapes[:, None] * steps[:, None]).reshape(-1, ICT53.dimension).astype(np.float32)
    first = INTENSITIES * np.arange(len(units))
    return Alphabet(
        FACS_BAG,
        [f"{unit}_{level}" for unit in units for level in range(INTENSITIES)],
        templates,
        ICT53,
        lambda table: levels(intensities(table, units)) + first,
    )
