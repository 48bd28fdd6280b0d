"""The benchmarks' metrics, each a function of sums (see :mod:`dfe_lib.analysis.statistics`)."""

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
        Σyŷ, Σ|y − ŷ|).
    of : (…, m) sums → (…,) value.
    higher_is_better : direction.
    """

    name: str
    kind: str
    of: Callable[[np.ndarray], np.ndarray]
    higher_is_better: bool = True


def classification_sums(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(n, C²) float64, a one in each recording's cell (truth, prediction); classes are 0 … C − 1."""
    return np.eye(classes * classes)[truth * classes + predicted]


def regression_sums(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(n, 7) float64, the terms of the sums of each recording."""
    y, p = np.asarray(truth, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    return np.stack([np.ones_like(y), y, p, y**2, p**2, y * p, np.abs(y - p)], axis=-1)


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


def _moments(sums: np.ndarray) -> tuple[np.ndarray, ...]:
    n, y, p, yy, pp, yp, _ = np.moveaxis(sums, -1, 0)
    my, mp = y / n, p / n
    return my, mp, np.maximum(yy / n - my**2, 0), np.maximum(pp / n - mp**2, 0), yp / n - my * mp


def pcc(sums: np.ndarray) -> np.ndarray:
    """Pearson correlation; 0 for a constant prediction, which orders nothing."""
    _, _, vy, vp, covariance = _moments(sums)
    scale = np.sqrt(vy * vp)
    return np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 1e-12)


def ccc(sums: np.ndarray) -> np.ndarray:
    """Lin's concordance correlation."""
    my, mp, vy, vp, covariance = _moments(sums)
    scale = vy + vp + (my - mp) ** 2
    return np.divide(2 * covariance, scale, out=np.zeros_like(covariance), where=scale > 1e-12)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("weighted F1", "classification", weighted_f1),
        Metric("macro F1", "classification", macro_f1),
        Metric("F1", "classification", positive_f1),  # of the last class in sorted order
        Metric("balanced accuracy", "classification", balanced_accuracy),
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
        for name in self.metrics:
            if name not in METRICS or METRICS[name].kind != self.kind:
                allowed = [m.name for m in METRICS.values() if m.kind == self.kind]
                raise InputError(f"unknown metric for a {self.kind} task: {choices(name, allowed)}")


# Metrics as the benchmarks give them (StressID; First Impressions; AVEC 2017 and 2019).
STRESS = Task("stress", "classification", ("weighted F1", "macro F1", "balanced accuracy"))
PERSONALITY = Task("personality", "regression", ("1-MAE", "PCC", "CCC"))
DEPRESSION = Task("depression", "classification", ("F1", "macro F1", "balanced accuracy"))
DEPRESSION_SCORE = Task("depression score", "regression", ("MAE", "RMSE", "CCC"))
