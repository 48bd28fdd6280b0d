"""Controls beside the protocol: what leaks are worth, and rows that know nothing of the face."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, StratifiedKFold

from dfe_lib.analysis.prediction.folds import Fold, fold_of, nested
from dfe_lib.analysis.prediction.inputs import check_classes, label_matrix, source, subject_groups
from dfe_lib.analysis.prediction.metrics import Task
from dfe_lib.analysis.prediction.model import cross_validate
from dfe_lib.analysis.prediction.permutation import LabelPermutation, label_permutation
from dfe_lib.analysis.prediction.scores import score_table
from dfe_lib.errors import InputError

__all__ = ["LabelPermutation", "availability_only", "label_permutation", "leakage", "task_only"]

OURS = "by subject"
SCALED = "by subject, scaled on all recordings (leaks)"
RANDOM = "at random (leaks)"
BOTH = "at random, scaled on all recordings (leaks twice)"


def leakage(
    table,
    labels: pd.Series | pd.DataFrame,
    subjects: pd.Series,
    task: Task,
    seed: int = 0,
    folds: int = 5,
    repeats: int = 1,
) -> pd.DataFrame:
    """The same model and folds with and without two leaks: the worth of leaking.

    For teaching only. Where a label belongs to the person, a random split lets the model recognise the
    person. Weights and scales learnt on all recordings are known to be worth little; they are here to show how little.

    Returns
    -------
    DataFrame with ``split`` (``"by subject"``, ``"by subject, scaled on all recordings (leaks)"``, ``"at random
    (leaks)"``, ``"at random, scaled on all recordings (leaks twice)"``), ``metric``, ``value, low, high``: the primary
    metric with 95 % interval over subjects, mean over ``repeats``.
    """
    y, targets, classes = label_matrix(labels, task)
    groups = subject_groups(subjects, labels.index, folds)
    known = classes is not None
    if known:
        check_classes(y[:, 0], groups, classes)
    features = source("features", table, labels.index)
    predicted = {way: [] for way in (OURS, SCALED, RANDOM, BOTH)}
    tested = {way: [] for way in predicted}
    for r in range(repeats):
        apart = nested(y, groups, folds, 3, known, seed + r)
        mixed = _at_random(y, folds, 3, known, seed + r)
        for way in predicted:
            plan = apart if way in (OURS, SCALED) else mixed
            predicted[way].append(cross_validate(features, y, plan, task, see_all=way in (SCALED, BOTH)))
            tested[way].append(fold_of(plan, len(y)))
    rows = [
        score_table({way: predicted[way]}, y, groups, tested[way], targets, task, way, seed, 1000)
        for way in predicted
    ]
    shown = (
        pd.concat(rows, ignore_index=True)
        .rename(columns={"method": "split"})
        .query("primary and target == 'all'")
    )
    return shown[["split", "metric", "value", "low", "high"]].reset_index(drop=True)


def task_only(tasks: pd.Series) -> pd.DataFrame:
    """A row for the table that knows only which task each recording is of: what the design of a study gives away.

    Parameters
    ----------
    tasks : indexed by recording.

    Raises
    ------
    InputError : a recording without a task, by name.
    """
    missing = tasks.isna()
    if missing.any():
        raise InputError(f"recording '{tasks.index[missing][0]}' has no task ({missing.sum()} such)")
    return pd.get_dummies(tasks.astype(str), dtype=float)


def availability_only(subjects: pd.Series, tasks: pd.Series | None = None) -> pd.DataFrame:
    """A row that knows only which recordings of a subject exist: their number, and per task where tasks are given.

    In StressID this alone is reported to tell stress with a macro F1 of 0.70.

    Parameters
    ----------
    subjects, tasks : indexed by recording, all recordings that exist.

    >>> availability_only(pd.Series(["a", "a", "b"], index=["r1", "r2", "r3"]))["recordings"].tolist()
    [2.0, 2.0, 1.0]
    """
    found = pd.DataFrame({"recordings": subjects.map(subjects.value_counts()).astype(float)})
    if tasks is not None:
        there = pd.crosstab(subjects, tasks_of(subjects, tasks)).clip(upper=1).astype(float)
        found = found.join(there.loc[subjects].set_axis(subjects.index))
    return found


def tasks_of(subjects: pd.Series, tasks: pd.Series) -> pd.Series:
    """Tasks in the order of ``subjects``, as text.

    Raises
    ------
    InputError : a recording without a task, by name.
    """
    given = tasks.reindex(subjects.index)
    if given.isna().any():
        raise InputError(
            f"recording '{given.index[given.isna()][0]}' has no task ({given.isna().sum()} such)"
        )
    return given.astype(str)


def _at_random(y: np.ndarray, folds: int, inner_folds: int, stratified: bool, seed: int) -> list[Fold]:
    """Folds over recordings, whoever is in them: the leak."""
    make = StratifiedKFold if stratified else KFold
    plan = []
    for train, test in make(folds, shuffle=True, random_state=seed).split(y, y[:, 0]):
        inner = make(inner_folds, shuffle=True, random_state=seed).split(train, y[train, 0])
        plan.append(Fold(train, test, tuple((train[a], train[b]) for a, b in inner)))
    return plan
