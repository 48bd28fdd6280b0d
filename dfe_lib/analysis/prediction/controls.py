"""Controls beside the protocol: what a leaky split is worth, whether a small table says anything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold

from dfe_lib.analysis.prediction.inputs import feature_matrix, label_matrix, subject_groups
from dfe_lib.analysis.prediction.metrics import STRESS, Task
from dfe_lib.analysis.prediction.model import cross_validate, fold_of, grouped_splits, permute_labels, prepare
from dfe_lib.analysis.prediction.protocol import score_table
from dfe_lib.errors import InputError


def leakage(
    table: pd.DataFrame,
    labels: pd.Series | pd.DataFrame,
    subjects: pd.Series,
    task: Task,
    seed: int = 0,
    folds: int = 5,
) -> pd.DataFrame:
    """One model scored with subjects kept apart and with recordings split at random: the worth of leaking.

    For teaching only. Where a label belongs to the person, a random split lets the model recognise the
    person.

    Returns
    -------
    DataFrame with ``split`` (``"by subject"``, ``"at random (leaks)"``), ``metric``, ``value, low, high``.
    """
    y, targets, classes = label_matrix(labels, task)
    groups = subject_groups(subjects, labels.index, folds)
    features = feature_matrix("features", table, labels.index)
    everyone = np.arange(len(y))  # every recording its own group: what a random split assumes
    ways = {
        "by subject": (grouped_splits(y, groups, folds, classes is not None, seed), groups),
        "at random (leaks)": (
            list(KFold(folds, shuffle=True, random_state=seed).split(features[0])),
            everyone,
        ),
    }
    rows = []
    for split, (splits, inner) in ways.items():
        predicted = {split: cross_validate(features, y, inner, splits, task, 3, seed)}
        rng = np.random.default_rng(seed)
        rows.append(
            score_table(predicted, y, groups, fold_of(splits), targets, classes, task, split, rng, 1000)
        )
    rows = pd.concat(rows, ignore_index=True).rename(columns={"method": "split"})
    return rows.query("primary and target == 'all'")[["split", "metric", "value", "low", "high"]].reset_index(
        drop=True
    )


@dataclass(frozen=True)
class LabelPermutation:
    """Balanced accuracy, its null distribution under permuted labels, p = (1 + hits) / (1 + permutations)."""

    score: float
    p: float
    null: np.ndarray


def label_permutation(
    table: pd.DataFrame, labels: pd.Series, subjects: pd.Series, seed: int = 0, permutations: int = 1999
) -> LabelPermutation:
    """Is a two-class label predictable at all? Leaves one subject out, against permuted labels.

    A ridge classifier with one fixed penalty (1, on rows scaled as in :func:`evaluate`): its predictions
    are linear in the labels, so all permutations cost one matrix product.
    """
    y, _, classes = label_matrix(labels, STRESS)
    if len(classes) != 2:
        raise InputError(
            f"a permutation test needs two classes, got {len(classes)}: {', '.join(map(str, classes))}"
        )
    groups = subject_groups(subjects, labels.index, 2)
    features = feature_matrix("features", table, labels.index)
    smoother = np.zeros((len(y), len(y)))
    for g in np.unique(groups):
        train, test = np.flatnonzero(groups != g), np.flatnonzero(groups == g)
        a, b = prepare(features, train, test)
        smoother[np.ix_(test, train)] = b @ np.linalg.solve(a.T @ a + len(a) * np.eye(a.shape[1]), a.T)
    sign = 2 * y[:, 0] - 1
    rng = np.random.default_rng(seed)
    shuffled = np.stack([sign, *(sign[permute_labels(y, groups, rng)] for _ in range(permutations))])
    # Training rows are centred, so the training mean drops out: the held-out label cannot be guessed from it.
    guessed = shuffled @ smoother.T > 0
    hits = [
        np.where(shuffled == s, guessed == (s > 0), 0).sum(axis=1) / (shuffled == s).sum(axis=1)
        for s in (-1, 1)
    ]
    scores = (hits[0] + hits[1]) / 2
    return LabelPermutation(float(scores[0]), float((scores >= scores[0] - 1e-12).mean()), scores[1:])
