"""Is a label predictable at all? Held-out predictions against those for permuted labels, exact and fast.

Ridge predictions with a fixed penalty are linear in the labels, so one matrix per table holds everything: permuted
labels cost a matrix product, not a training each. The model is a simpler one than that of
:func:`~dfe_lib.analysis.prediction.protocol.evaluate` (no inner search); the p-value is its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

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
        within people, that of deviations from each person's means, which the models are then trained on too.
        Mean over targets, or over classes against the rest.
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
    y, groups = label_columns(labels, subjects, task)
    smoother = held_out(source("features", table, labels.index), groups, folds, seed)
    return Arrangements.of(y, groups, permutations, seed).test(smoother)


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
    y, groups = label_columns(labels, subjects, task)
    arrangements = Arrangements.of(y, groups, permutations, seed)
    rows = []
    for name, given in features.items():
        test = arrangements.test(held_out(source(name, given, labels.index), groups, folds, seed))
        low, high = np.quantile(test.null, [0.025, 0.975])
        rows.append(
            {"method": name, "score": test.score, "chance_low": low, "chance_high": high, "p": test.p}
        )
    return pd.DataFrame(rows).assign(p_holm=lambda table: holm(table["p"].to_numpy()))


def label_columns(labels, subjects, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """(n, k) standardised label columns (classes: indicators, one for two) and the subjects of the rows."""
    y, _, classes = label_matrix(labels, task)
    groups = subject_groups(subjects, labels.index, 2)
    if classes is not None:
        check_classes(y[:, 0], groups, classes)
        y = (y == np.arange(len(classes)))[:, 1 if len(classes) == 2 else 0 :].astype(np.float64)
    return (y - y.mean(axis=0)) / y.std(axis=0), groups


def held_out(features: Source, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """(n, n) from labels to held-out predictions, without the training mean; it does not depend on labels.

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


@dataclass(frozen=True, eq=False)
class Arrangements:
    """The true labels and permuted ones, the same for every method.

    Attributes
    ----------
    labels : (1 + permutations, units, k); the true ones first. Units are people where labels are theirs, else
        recordings, with labels as deviations from the person's mean.
    mean : (people, n), takes the mean over each person's recordings. person : (n,).
    within : whether labels were permuted within people.
    """

    labels: np.ndarray
    mean: np.ndarray
    person: np.ndarray
    within: bool

    @classmethod
    def of(cls, y: np.ndarray, groups: np.ndarray, permutations: int, seed: int) -> Self:
        """Of (n, k) labels of subjects ``groups``."""
        rng = np.random.default_rng(seed)
        _, first, person = np.unique(groups, return_index=True, return_inverse=True)
        mean = (np.eye(len(first))[person] / np.bincount(person)).T
        within = not between_people(y, groups)
        if within:
            truth = y - mean[person] @ y
            order = np.argsort(person, kind="stable")
            # Sorted by person and then by chance: the recordings of each person in a random order.
            mixed = np.argsort(person + rng.random((permutations, len(y))), axis=1)
            moves = np.empty_like(mixed)
            moves[:, order] = mixed
        else:
            truth = y[first]
            moves = rng.random((permutations, len(first))).argsort(axis=1)
        return cls(np.concatenate([truth[None], truth[moves]]), mean, person, within)

    def test(self, smoother: np.ndarray) -> LabelPermutation:
        """Scores of held-out predictions for all labels; ``smoother`` as of :func:`held_out`."""
        if self.within:
            smoother = smoother - self.mean[self.person] @ smoother
        else:
            smoother = self.mean @ smoother @ (self.mean.T > 0)
        labels = self.labels if self.within else self.labels - self.labels.mean(axis=1, keepdims=True)
        predicted = np.einsum("ij,pjk->pik", smoother, self.labels, optimize=True)
        if not self.within:
            predicted = predicted - predicted.mean(axis=1, keepdims=True)
        scale = np.linalg.norm(predicted, axis=1) * np.linalg.norm(labels, axis=1)
        product = (predicted * labels).sum(axis=1)
        scores = np.divide(product, scale, out=np.zeros(scale.shape), where=scale > 1e-12).mean(axis=1)
        p = float((scores >= scores[0] - 1e-12).mean())
        return LabelPermutation(float(scores[0]), p, scores[1:], self.within)
