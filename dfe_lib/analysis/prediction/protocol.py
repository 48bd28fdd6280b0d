"""Prediction from one vector per recording: subjects kept apart, and every row needed to judge it.

Nested cross-validation: outer folds hold out subjects, inner folds of the training subjects choose the
penalty. Weights, imputation and scaling are learnt on training recordings only. There is no option to split
at random; :func:`dfe_lib.analysis.prediction.controls.leakage` shows what that would be worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dfe_lib.analysis.prediction import metrics as m
from dfe_lib.analysis.prediction.inputs import check_classes, feature_matrix, label_matrix, subject_groups
from dfe_lib.analysis.prediction.metrics import METRICS, Task
from dfe_lib.analysis.prediction.model import (
    constant_predictions,
    cross_validate,
    fold_of,
    grouped_splits,
    permute_labels,
)
from dfe_lib.analysis.statistics import bootstrap_interval, holm, paired_permutation
from dfe_lib.errors import InputError

CONSTANT = "constant"
SHUFFLED = "shuffled labels"


@dataclass(frozen=True)
class Outcome:
    """What :func:`evaluate` returns.

    Attributes
    ----------
    table : one row per method, target and metric: ``method, target, metric, value, low, high, difference,
        p, p_holm,
        primary``. ``low, high``: 95 % bootstrap interval over subjects. ``difference``: value minus the
        reference's. ``p``: paired permutation test against the reference on the primary metric,
        Holm-adjusted over methods in ``p_holm``; NaN elsewhere.
    predictions : one row per recording and target: ``recording, subject, fold, target, truth`` and one
        column per
        method, out of fold.
    reference : the method that the others are tested against.
    """

    table: pd.DataFrame
    predictions: pd.DataFrame
    reference: str


def evaluate(
    features: Mapping[str, pd.DataFrame],
    labels: pd.Series | pd.DataFrame,
    subjects: pd.Series,
    task: Task,
    seed: int = 0,
    reference: str | None = None,
    folds: int = 5,
    inner_folds: int = 3,
    replicates: int = 1000,
) -> Outcome:
    """Compare representations on one task.

    Parameters
    ----------
    features : method → one row per recording. Tables of integers are counts and get TF-IDF weights, others
        are imputed by the median and standardised; both learnt inside the training fold.
    labels : indexed by recording; a Series, or for regression a DataFrame of several targets.
    subjects : subject of each recording, same index.
    reference : method to test the others against; the first by default. Its features also make the row
        ``shuffled labels``: trained on permuted labels, scored on the true ones.
    folds, inner_folds : how many groups of subjects, outside and inside.
    replicates : bootstrap replicates, and permutations of the paired tests.

    Raises
    ------
    InputError : fewer subjects than folds, one class only, a class in one subject only, labels that are
        missing or constant, recordings that a table lacks, features that are not numbers.

    Examples
    --------
    >>> outcome = evaluate({"tokens": bags, "AUs": au_table}, labels, subjects, STRESS)   # doctest: +SKIP
    >>> outcome.table.query("primary")                                                     # doctest: +SKIP
    """
    y, targets, classes = label_matrix(labels, task)
    groups = subject_groups(subjects, labels.index, folds)
    tables = {name: feature_matrix(name, table, labels.index) for name, table in features.items()}
    if not tables:
        raise InputError("no features were given: pass at least one table, e.g. {'tokens': bag_of_tokens(…)}")
    reference = next(iter(tables)) if reference is None else reference
    if reference not in tables:
        raise InputError(f"the reference '{reference}' is not among the features: {', '.join(tables)}")
    if classes is not None:
        check_classes(y[:, 0], groups, classes)
    rng = np.random.default_rng(seed)
    splits = grouped_splits(y, groups, folds, classes is not None, seed)

    predicted = {
        name: cross_validate(table, y, groups, splits, task, inner_folds, seed)
        for name, table in tables.items()
    }
    predicted[CONSTANT] = constant_predictions(y, splits, task)
    shuffled = y[permute_labels(y, groups, rng)]
    predicted[SHUFFLED] = cross_validate(tables[reference], shuffled, groups, splits, task, inner_folds, seed)

    fold = fold_of(splits)
    table = score_table(predicted, y, groups, fold, targets, classes, task, reference, rng, replicates)
    shown = {name: p if classes is None else classes[p.astype(int)] for name, p in predicted.items()}
    truth = y if classes is None else classes[y.astype(int)]
    predictions = pd.concat(
        pd.DataFrame(
            {
                "recording": labels.index,
                "subject": subjects.reindex(labels.index).to_numpy(),
                "fold": fold,
                "target": target,
                "truth": truth[:, t],
                **{name: p[:, t] for name, p in shown.items()},
            }
        )
        for t, target in enumerate(targets)
    )
    return Outcome(table, predictions.reset_index(drop=True), reference)


def score_table(
    predicted: Mapping[str, np.ndarray],
    y: np.ndarray,
    groups: np.ndarray,
    fold: np.ndarray,
    targets: list[str],
    classes: np.ndarray | None,
    task: Task,
    reference: str,
    rng: np.random.Generator,
    replicates: int,
) -> pd.DataFrame:
    """The table of :class:`Outcome` from out-of-fold predictions (method → (n, T))."""
    _, person = np.unique(groups, return_inverse=True)
    people = np.eye(person.max() + 1)[person].T  # (subjects, n)
    sums = {}
    for name, p in predicted.items():
        if classes is None:
            terms = m.regression_sums(y, p, fold)  # (n, T, 10)
        else:
            terms = m.classification_sums(y[:, 0].astype(int), p[:, 0].astype(int), len(classes))[:, None]
        sums[name] = np.einsum("sn,ntm->stm", people, terms).reshape(len(people), -1)
    # "all" is the mean over targets; single targets are shown where there are several.
    parts = {"all": list(range(len(targets)))}
    if len(targets) > 1:
        parts |= {target: [t] for t, target in enumerate(targets)}
    rows = []
    for metric in (METRICS[name] for name in task.metrics):
        primary = metric.name == task.metrics[0]
        for target, part in parts.items():

            def score(flat, metric=metric, part=part):
                return metric.of(flat.reshape(*flat.shape[:-1], len(targets), -1)[..., part, :]).mean(axis=-1)

            for name in predicted:
                interval = bootstrap_interval(sums[name], score, rng, replicates)
                row = {"method": name, "target": target, "metric": metric.name, "primary": primary}
                row |= {"value": interval.value, "low": interval.low, "high": interval.high}
                row["difference"] = interval.value - float(score(sums[reference].sum(axis=0)))
                row["p"] = np.nan
                if primary and target == "all" and name != reference:
                    row["p"] = paired_permutation(sums[name], sums[reference], score, rng, replicates)
                rows.append(row)
    return pd.DataFrame(rows).assign(p_holm=lambda table: holm(table["p"].to_numpy()))
