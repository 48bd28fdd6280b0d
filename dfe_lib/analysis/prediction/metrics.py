"""The benchmarks' metrics, each a function of sums (see :mod:`dfe_lib.analysis.statistics`).

The area under the ROC curve is not one of sums over subjects, but it is one of sums over *pairs* of subjects: the
pairs of a positive and a negative recording, and those of them that are in the right order. With a weight per subject
(how often a bootstrap sample has it) both sums are quadratic forms, so its intervals are matrix products too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dfe_lib.errors import InputError, choices


@dataclass(frozen=True)
class Metric:
    """A metric on sums.

    Attributes
    ----------
    name : as tables show it.
    kind : ``"classification"`` (sums: C × C confusion counts, truth first) or ``"regression"`` (n, Σy, Σŷ,
        Σy², Σŷ²,
        Σyŷ, Σ|y − ŷ|, and the three products of deviations from the fold's means).
    of : (…, m) sums → (…,) value.
    higher_is_better : direction.
    ranks : True where the sums are over pairs of recordings, of :func:`ranking_sums`.
    """

    name: str
    kind: str
    of: Callable[[np.ndarray], np.ndarray]
    higher_is_better: bool = True
    ranks: bool = False


def classification_sums(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(n, C²) float64, a one in each recording's cell (truth, prediction); classes are 0 … C − 1."""
    return np.eye(classes * classes)[truth * classes + predicted]


def regression_sums(truth: np.ndarray, predicted: np.ndarray, fold: np.ndarray | None = None) -> np.ndarray:
    """The terms of the sums of each recording, (n, …, 10) float64.

    ``fold`` (n,) is the test fold of each recording: the last three terms are deviations from the fold's
    means.
    """
    y, p = np.asarray(truth, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    _, fold = np.unique(np.zeros(len(y)) if fold is None else fold, return_inverse=True)
    member = np.eye(fold.max() + 1)[fold]
    mean = member @ np.diag(1 / member.sum(axis=0)) @ member.T
    dy, dp = y - mean @ y, p - mean @ p
    terms = [np.ones_like(y), y, p, y**2, p**2, y * p, np.abs(y - p), dy**2, dp**2, dy * dp]
    return np.stack(terms, axis=-1)


def ranking_sums(truth: np.ndarray, scores: np.ndarray, fold: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Pairs of recordings of two subjects, and how many of them are in the right order.

    Pairs are taken within test folds, where one model gave both scores: a score of another fold has another zero.

    Parameters
    ----------
    truth : (n,) class. scores : (n, C), higher for the likelier class. fold : (n,). person : (n,) 0 … S − 1.

    Returns
    -------
    (S, S, 2 · classes) float64: for each class in turn (two classes: only the last) the pairs of a recording of the
    class by the first subject and one of another class by the second, then those in order; ties count half.

    >>> ranking_sums(np.array([0, 1]), np.array([[0, 0.2], [0, 0.9]]), np.zeros(2), np.array([0, 1]))[1, 0].tolist()
    [1.0, 1.0]
    """
    people = np.eye(int(person.max()) + 1)[person]
    same = np.asarray(fold)[:, None] == np.asarray(fold)[None]
    classes = range(scores.shape[1]) if scores.shape[1] > 2 else [1]
    layers = []
    for c in classes:
        pairs = same & (truth == c)[:, None] & (truth != c)[None]
        s = scores[:, c] - (scores[:, 0] if scores.shape[1] == 2 else 0)
        won = (s[:, None] > s[None]) + 0.5 * (s[:, None] == s[None])
        layers += [people.T @ pairs @ people, people.T @ (won * pairs) @ people]
    return np.stack(layers, axis=-1)


def auroc(sums: np.ndarray) -> np.ndarray:
    """Share of pairs in the right order, mean over classes against the rest; NaN without a pair."""
    pairs, won = sums[..., 0::2], sums[..., 1::2]
    return np.divide(won, pairs, out=np.full(won.shape, np.nan), where=pairs > 0).mean(axis=-1)


def _confusion(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True positives, support and number predicted, each (…, C)."""
    c = int(round(sums.shape[-1] ** 0.5))
    matrix = sums.reshape(*sums.shape[:-1], c, c)
    return np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(axis=-1), matrix.sum(axis=-2)


def _f1_per_class(sums: np.ndarray) -> np.ndarray:
    hit, support, predicted = _confusion(sums)
    total = support + predicted
    return np.divide(2 * hit, total, out=np.zeros_like(hit, dtype=np.float64), where=total > 0)


def weighted_f1(sums: np.ndarray) -> np.ndarray:
    support = _confusion(sums)[1]
    return (_f1_per_class(sums) * support).sum(axis=-1) / support.sum(axis=-1)


def macro_f1(sums: np.ndarray) -> np.ndarray:
    return _f1_per_class(sums).mean(axis=-1)


def positive_f1(sums: np.ndarray) -> np.ndarray:
    return _f1_per_class(sums)[..., -1]


def balanced_accuracy(sums: np.ndarray) -> np.ndarray:
    hit, support, _ = _confusion(sums)
    recall = np.divide(hit, support, out=np.full(hit.shape, np.nan), where=support > 0)
    return np.nanmean(recall, axis=-1)


def mae(sums: np.ndarray) -> np.ndarray:
    return sums[..., 6] / sums[..., 0]


def one_minus_mae(sums: np.ndarray) -> np.ndarray:
    return 1 - mae(sums)


def rmse(sums: np.ndarray) -> np.ndarray:
    squared = sums[..., 3] - 2 * sums[..., 5] + sums[..., 4]
    return np.sqrt(np.maximum(squared, 0) / sums[..., 0])


def pcc(sums: np.ndarray) -> np.ndarray:
    """Pearson correlation within test folds; 0 for a constant prediction, which orders nothing.

    Pooled over folds, a predictor that knows only the training mean would correlate negatively: that mean
    is high where the held-out subjects are low. With one test set both are the same.
    """
    scale = np.sqrt(sums[..., 7] * sums[..., 8])
    # Rounding leaves a constant with deviations of about 1e-16 of its size.
    known = sums[..., 8] > 1e-18 * (1 + sums[..., 4])
    return np.divide(sums[..., 9], scale, out=np.zeros_like(scale), where=known & (scale > 0))


def ccc(sums: np.ndarray) -> np.ndarray:
    """Lin's concordance correlation, pooled over folds."""
    n, y, p, yy, pp, yp = (sums[..., i] for i in range(6))
    my, mp = y / n, p / n
    scale = (yy + pp) / n - my**2 - mp**2 + (my - mp) ** 2
    return np.divide(2 * (yp / n - my * mp), scale, out=np.zeros_like(scale), where=scale > 1e-12)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("weighted F1", "classification", weighted_f1),
        Metric("macro F1", "classification", macro_f1),
        Metric("F1", "classification", positive_f1),  # of the last class in sorted order
        Metric("balanced accuracy", "classification", balanced_accuracy),
        Metric("AUROC", "classification", auroc, ranks=True),
        Metric("1-MAE", "regression", one_minus_mae),
        Metric("MAE", "regression", mae, higher_is_better=False),
        Metric("RMSE", "regression", rmse, higher_is_better=False),
        Metric("PCC", "regression", pcc),
        Metric("CCC", "regression", ccc),
    )
}


@dataclass(frozen=True)
class Task:
    """What is predicted and how it is scored; methods are tested on the first metric, the primary one."""

    name: str
    kind: str
    metrics: tuple[str, ...]

    def __post_init__(self):
        if self.metrics and getattr(METRICS.get(self.metrics[0]), "ranks", False):
            raise InputError(
                f"{self.metrics[0]} cannot be the first metric: methods are tested by swapping their predictions "
                "within people, and the scores of two methods have no common scale"
            )
        for name in self.metrics:
            if name not in METRICS or METRICS[name].kind != self.kind:
                allowed = [m.name for m in METRICS.values() if m.kind == self.kind]
                raise InputError(f"unknown metric for a {self.kind} task: {choices(name, allowed)}")


# Metrics as the benchmarks give them (StressID; First Impressions; AVEC 2017 and 2019).
STRESS = Task("stress", "classification", ("weighted F1", "macro F1", "balanced accuracy", "AUROC"))
PERSONALITY = Task("personality", "regression", ("1-MAE", "PCC", "CCC"))
DEPRESSION = Task("depression", "classification", ("F1", "macro F1", "balanced accuracy", "AUROC"))
DEPRESSION_SCORE = Task("depression score", "regression", ("MAE", "RMSE", "CCC"))
