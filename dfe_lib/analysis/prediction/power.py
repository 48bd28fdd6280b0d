"""How large an effect and a cohort must be for it to be found: the power curve of every method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from dfe_lib.analysis.prediction.metrics import Task
from dfe_lib.analysis.prediction.permutation import label_permutation
from dfe_lib.errors import InputError

# (effect, seed) → features, labels and subjects of one large cohort.
MakeCohort = Callable[[float, int], tuple[Mapping[str, object], "pd.Series | pd.DataFrame", pd.Series]]


@dataclass(frozen=True, eq=False)
class Part:
    """Some recordings of a representation that learns; it learns on these alone."""

    whole: object
    rows: np.ndarray

    @property
    def recordings(self) -> pd.Index:
        return self.whole.recordings[self.rows]

    @property
    def counts(self) -> bool:
        return self.whole.counts

    def vectors(self, train: np.ndarray) -> np.ndarray:
        return self.whole.vectors(self.rows[train])[self.rows]


def power_curve(
    make: MakeCohort,
    task: Task,
    effects: Sequence[float] = (0.0, 0.2, 0.5, 0.8),
    sizes: Sequence[int] = (20, 40, 60),
    seeds: Sequence[int] = (0,),
    permutations: int = 199,
    folds: int = 5,
    level: float = 0.05,
) -> pd.DataFrame:
    """Share of cohorts in which a method detects the effect, by :func:`label_permutation`.

    Large cohorts are cut into disjoint ones of each size: independent cohorts for the price of describing one.

    Parameters
    ----------
    make : ``(effect, seed)`` → features (name → table or representation), labels, subjects.
    sizes : subjects per cohort. seeds : large cohorts per effect.

    Returns
    -------
    DataFrame with ``effect, subjects, method, cohorts, detected`` (share with p ≤ ``level``), ``low, high`` (95 %
    interval of Clopper and Pearson, 1934) and ``untestable`` (cohorts in which too few people show a class or the label
    is constant; they are not among ``cohorts``).

    Raises
    ------
    InputError : a cohort that is smaller than the largest size.

    Examples
    --------
    >>> power_curve(make, STRESS, effects=(0, 0.8), sizes=(20,))   # doctest: +SKIP
    """
    if 1 / (permutations + 1) > level:
        least = int(np.ceil(1 / level)) - 1
        raise InputError(f"{permutations} permutations cannot reach p ≤ {level}; use {least} or more")
    found: dict[tuple, list[float]] = {}
    for effect in effects:
        for seed in seeds:
            features, labels, subjects = make(effect, seed)
            for size in sizes:
                for b, rows in enumerate(disjoint(subjects.reindex(labels.index), size)):
                    for name, given in features.items():
                        p = p_value(given, labels, subjects, rows, task, seed + 1000 * b, permutations, folds)
                        found.setdefault((effect, size, name), []).append(p)
    table = []
    for (effect, size, name), p in found.items():
        p = np.array(p)
        known = p[np.isfinite(p)]
        hits = int((known <= level).sum())
        ends = binomtest(hits, len(known)).proportion_ci(method="exact") if len(known) else (np.nan, np.nan)
        row = {"effect": effect, "subjects": size, "method": name, "cohorts": len(known)}
        row["detected"] = hits / len(known) if len(known) else np.nan
        table.append(row | {"low": ends[0], "high": ends[1], "untestable": len(p) - len(known)})
    return pd.DataFrame(table)


def disjoint(subjects: pd.Series, size: int) -> list[np.ndarray]:
    """Row numbers of disjoint groups of ``size`` subjects each, in order; what is left over is not used.

    Raises
    ------
    InputError : fewer subjects than ``size``.

    >>> [rows.tolist() for rows in disjoint(pd.Series(["a", "a", "b", "c"]), 1)]
    [[0, 1], [2], [3]]
    """
    number, names = pd.factorize(subjects)
    if size > len(names):
        raise InputError(f"a cohort of {len(names)} subjects cannot be cut into cohorts of {size}")
    return [np.flatnonzero(number // size == b) for b in range(len(names) // size)]


def p_value(given, labels, subjects, rows, task: Task, seed: int, permutations: int, folds: int = 5) -> float:
    """p-value on some rows; NaN where the label is constant or hardly anybody shows a class."""
    part = labels.iloc[rows]
    columns = part.to_frame() if isinstance(part, pd.Series) else part
    people = subjects.reindex(part.index)
    if (columns.nunique() < 2).any():
        return np.nan
    if task.kind == "classification" and people.groupby(columns.iloc[:, 0].to_numpy()).nunique().min() < 2:
        return np.nan
    if isinstance(given, pd.DataFrame):
        own = given.loc[part.index]
    else:
        own = Part(given, given.recordings.get_indexer(part.index))
    return label_permutation(own, part, people, task, seed, permutations, folds).p
