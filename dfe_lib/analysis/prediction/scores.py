"""Metrics, intervals over subjects and paired tests from out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dfe_lib.analysis.prediction import metrics as m
from dfe_lib.analysis.prediction.metrics import METRICS, Metric, Task
from dfe_lib.analysis.prediction.model import OutOfFold
from dfe_lib.analysis.statistics import holm, paired_permutation


def score_table(
    predicted: Mapping[str, Sequence[OutOfFold]],
    y: np.ndarray,
    groups: np.ndarray,
    folds: Sequence[np.ndarray],
    targets: list[str],
    task: Task,
    reference: str,
    seed: int,
    replicates: int,
) -> pd.DataFrame:
    """The table of :class:`~dfe_lib.analysis.prediction.protocol.Outcome`.

    Parameters
    ----------
    predicted : method → its predictions in each repeat.
    y : (n, T). groups : (n,) subjects. folds : per repeat the fold in which each row is tested, −1 where it is not.

    A value is the mean over repeats, its interval that of the mean: subjects are resampled once for all repeats,
    methods and metrics. ``spread`` is the standard deviation over repeats.
    """
    tested = folds[0] >= 0
    y, groups, folds = y[tested], groups[tested], [f[tested] for f in folds]
    _, person = np.unique(groups, return_inverse=True)
    count = person.max() + 1
    rng = np.random.default_rng([seed, 1])
    weights = rng.multinomial(count, np.full(count, 1 / count), size=replicates).astype(np.float64)
    parts = {
        "all": slice(None)
    }  # "all" is the mean over targets; single ones are shown where there are several
    if len(targets) > 1:
        parts |= {target: slice(t, t + 1) for t, target in enumerate(targets)}
    sums = {
        name: np.stack(
            [_sums(p, y, f, person, tested, task) for p, f in zip(runs, folds, strict=True)], axis=1
        )
        for name, runs in predicted.items()
    }  # (S, repeats, T, m)
    rows = []
    for metric in (METRICS[name] for name in task.metrics):
        primary = metric.name == task.metrics[0]
        for target, part in parts.items():
            each, drawn = {}, {}
            for name, runs in predicted.items():
                if metric.ranks:
                    each[name], drawn[name] = _ranked(metric, runs, y, folds, person, tested, weights)
                else:
                    each[name], drawn[name] = _summed(metric, sums[name][:, :, part], weights)
            for name in predicted:
                row = {"method": name, "target": target, "metric": metric.name, "primary": primary}
                row |= {"value": float(each[name].mean()), "p": np.nan}
                row["low"], row["high"] = _ends(drawn[name])
                row["difference_low"], row["difference_high"] = _ends(drawn[name] - drawn[reference])
                row["spread"] = float(each[name].std(ddof=1)) if len(each[name]) > 1 else np.nan
                if primary and target == "all" and name != reference:
                    row["p"] = _paired(
                        metric, sums[name], sums[reference], np.random.default_rng([seed, 2]), replicates
                    )
                rows.append(row)
    table = pd.DataFrame(rows)
    best = table[table["method"] == reference].set_index(["metric", "target"])["value"]
    own = pd.MultiIndex.from_frame(table[["metric", "target"]])
    table["difference"] = table["value"].to_numpy() - best.reindex(own).to_numpy()
    table["p_holm"] = holm(table["p"].to_numpy())
    columns = [
        "method",
        "target",
        "metric",
        "value",
        "low",
        "high",
        "spread",
        "difference",
        "difference_low",
        "difference_high",
        "p",
        "p_holm",
        "primary",
    ]
    return table[columns]


def _sums(p: OutOfFold, y, fold, person, tested, task: Task) -> np.ndarray:
    """(S, T, m) sums of one repeat within each subject."""
    if task.kind == "classification":
        n_classes = int(y.max()) + 1 if p.scores is None else p.scores.shape[1]
        terms = m.classification_sums(y[:, 0].astype(int), p.values[tested, 0].astype(int), n_classes)[
            :, None
        ]
    else:
        terms = m.regression_sums(y, p.values[tested], fold)
    out = np.zeros((person.max() + 1, *terms.shape[1:]))
    np.add.at(out, person, terms)
    return out


def _summed(metric: Metric, sums: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The metric of each repeat, (repeats,), and of each bootstrap sample, (replicates,)."""
    each = metric.of(sums.sum(axis=0)).mean(axis=-1)
    drawn = (weights @ sums.reshape(len(sums), -1)).reshape(-1, *sums.shape[1:])
    return each, metric.of(drawn).mean(axis=(-1, -2))


def _ranked(metric: Metric, runs, y, folds, person, tested, weights) -> tuple[np.ndarray, np.ndarray]:
    each, drawn = [], []
    for p, fold in zip(runs, folds, strict=True):
        pairs = m.ranking_sums(y[:, 0], p.scores[tested], fold, person)
        each.append(metric.of(pairs.sum(axis=(0, 1))))
        forms = [((weights @ pairs[..., k]) * weights).sum(axis=1) for k in range(pairs.shape[-1])]
        drawn.append(metric.of(np.stack(forms, axis=-1)))
    return np.array(each), np.mean(drawn, axis=0)


def _ends(drawn: np.ndarray) -> tuple[float, float]:
    if len(drawn) == 0 or not np.isfinite(drawn).any():
        return np.nan, np.nan
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def _paired(metric: Metric, a: np.ndarray, b: np.ndarray, rng, permutations: int) -> float:
    shape = a.shape[1:]

    def score(flat: np.ndarray) -> np.ndarray:
        return metric.of(flat.reshape(*flat.shape[:-1], *shape)).mean(axis=(-1, -2))

    return paired_permutation(a.reshape(len(a), -1), b.reshape(len(b), -1), score, rng, permutations)
