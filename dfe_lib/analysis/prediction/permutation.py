"""Is a label predictable at all? Held-out predictions against those for permuted labels, exact and fast.

Ridge predictions with a fixed penalty are linear in the labels, so one matrix per table holds everything: permuted
labels cost a matrix product, not a training each. The model is a simpler one than that of
:func:`~dfe_lib.analysis.prediction.protocol.evaluate` (no inner search); the p-value is its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from dfe_lib.analysis.prediction.folds import between_people
from dfe_lib.analysis.prediction.inputs import Source, check_classes, label_matrix, source, subject_groups
from dfe_lib.analysis.prediction.metrics import Task
from dfe_lib.analysis.prediction.preparing import prepare
from dfe_lib.analysis.statistics import holm

# The penalty is so many times the mean squared length of all training rows together: weights are hardly more than
# differences of means, which is what few people can support. Our choice, made without a look at any result.
STRENGTH = 1.0


@dataclass(frozen=True)
class LabelPermutation:
    """Correlation of held-out predictions with the label, and how often permuted labels reach it.

    Attributes
    ----------
    score : where labels belong to people, the correlation over people of mean prediction and label; where they change
        within people, that of deviations from each person's means. Mean over targets, or over classes against the rest.
        0 is chance.
    p : (1 + hits) / (1 + permutations), one-sided: better than chance.
    null : (permutations,) scores of permuted labels.
    within : whether labels were permuted within people.
    """

    score: float
    p: float
    null: np.ndarray
    within: bool


def label_permutation(
    table,
    labels: pd.Series | pd.DataFrame,
    subjects: pd.Series,
    task: Task,
    seed: int = 0,
    permutations: int = 1999,
    folds: int = 20,
) -> LabelPermutation:
    """Test one table or representation on one task.

    Labels of people are permuted between people, labels that change within people within each person: under the null
    hypothesis every such arrangement is as likely as the true one, so the p-value is exact at any size.

    Parameters
    ----------
    table : one row per recording, or a representation, as for
        :func:`~dfe_lib.analysis.prediction.protocol.evaluate`.
    folds : groups of subjects held out in turn; as many as there are subjects, if these are fewer. They do not look at
        labels, which would spoil the test.

    Raises
    ------
    InputError : as :func:`~dfe_lib.analysis.prediction.protocol.evaluate`.
    """
    y, groups = _labels(labels, subjects, task)
    return _test(source("features", table, labels.index), y, groups, seed, permutations, folds)


def chance_tests(
    features: Mapping[str, object],
    labels: pd.Series | pd.DataFrame,
    subjects: pd.Series,
    task: Task,
    seed: int = 0,
    permutations: int = 1999,
    folds: int = 20,
) -> pd.DataFrame:
    """:func:`label_permutation` of every method: ``method, score, chance_low, chance_high, p, p_holm``.

    ``chance_low, chance_high`` hold the middle 95 % of the scores of permuted labels.
    """
    y, groups = _labels(labels, subjects, task)
    rows = []
    for name, given in features.items():
        test = _test(source(name, given, labels.index), y, groups, seed, permutations, folds)
        low, high = np.quantile(test.null, [0.025, 0.975])
        rows.append(
            {"method": name, "score": test.score, "chance_low": low, "chance_high": high, "p": test.p}
        )
    return pd.DataFrame(rows).assign(p_holm=lambda table: holm(table["p"].to_numpy()))


def _labels(labels, subjects, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """(n, k) standardised label columns (classes: indicators, one for two) and the subjects."""
    y, _, classes = label_matrix(labels, task)
    groups = subject_groups(subjects, labels.index, 2)
    if classes is not None:
        check_classes(y[:, 0], groups, classes)
        y = (y == np.arange(len(classes)))[:, 1 if len(classes) == 2 else 0 :].astype(np.float64)
    return (y - y.mean(axis=0)) / y.std(axis=0), groups


def _test(features: Source, y, groups, seed: int, permutations: int, folds: int) -> LabelPermutation:
    rng = np.random.default_rng(seed)
    smoother = _smoother(features, groups, folds, seed)
    _, first, person = np.unique(groups, return_index=True, return_inverse=True)
    within = not between_people(y, groups)
    member = np.eye(len(first))[person]  # (n, people)
    mean = (member / member.sum(axis=0)).T
    if within:
        smoother = smoother - mean[person] @ smoother  # predictions as deviations from the person's mean
        truth = y - mean[person] @ y
        order = np.argsort(person, kind="stable")
        moves = np.tile(np.arange(len(y)), (permutations + 1, 1))
        for move in moves[1:]:
            move[order] = np.lexsort((rng.random(len(y)), person))
    else:
        smoother = mean @ smoother @ member  # from labels of people to mean predictions of people
        truth = y[first]
        moves = np.tile(np.arange(len(first)), (permutations + 1, 1))
        for move in moves[1:]:
            move[:] = rng.permutation(len(first))
    scores = np.mean([_correlation(smoother, t[moves], not within) for t in truth.T], axis=0)
    p = float((scores >= scores[0] - 1e-12).mean())
    return LabelPermutation(float(scores[0]), p, scores[1:], within)


def _smoother(features: Source, groups, folds: int, seed: int) -> np.ndarray:
    """(n, n) from labels to held-out predictions, without the training mean.

    Training rows are centred, so the mean drops out: otherwise the held-out label could be guessed from it, as what is
    held out is missing there.
    """
    smoother = np.zeros((len(groups), len(groups)))
    folds = min(folds, len(np.unique(groups)))
    splitter = GroupKFold(folds, shuffle=True, random_state=seed)
    for train, test in splitter.split(smoother, groups=groups):
        a, b = prepare(features(train), train, test)
        n, d = a.shape
        penalty = STRENGTH * n
        if d > n:
            gram = a @ a.T
            gram[np.arange(n), np.arange(n)] += penalty
            smoother[np.ix_(test, train)] = np.linalg.solve(gram, a @ b.T).T
        else:
            gram = a.T @ a
            gram[np.arange(d), np.arange(d)] += penalty
            smoother[np.ix_(test, train)] = b @ np.linalg.solve(gram, a.T)
    return smoother


def _correlation(smoother: np.ndarray, labels: np.ndarray, centre: bool) -> np.ndarray:
    """(permutations,) correlation of predictions with the labels (permutations, n) that they were made from."""
    predicted = labels @ smoother.T
    if centre:
        labels = labels - labels.mean(axis=1, keepdims=True)
        predicted = predicted - predicted.mean(axis=1, keepdims=True)
    scale = np.linalg.norm(predicted, axis=1) * np.linalg.norm(labels, axis=1)
    return np.divide((predicted * labels).sum(axis=1), scale, out=np.zeros(len(labels)), where=scale > 1e-12)
