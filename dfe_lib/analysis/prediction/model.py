"""The simple model on top of every representation, and the folds that keep subjects apart."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from dfe_lib.analysis.prediction import metrics as m
from dfe_lib.analysis.prediction.metrics import METRICS, Task
from dfe_lib.analysis.representations import CountWeights
from dfe_lib.errors import InputError

# Rows are scaled to a mean squared length of 1 first, so one grid serves every table. Our choice.
PENALTIES = (0.003, 0.03, 0.3, 3.0, 30.0)


def grouped_splits(
    y: np.ndarray, groups: np.ndarray, folds: int, stratified: bool, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Folds in which no subject is on both sides: pairs of (train, test) row indices, checked."""
    make = StratifiedGroupKFold if stratified else GroupKFold
    splitter = make(folds, shuffle=True, random_state=seed)
    splits = list(splitter.split(np.zeros(len(y)), y[:, 0], groups))
    for train, test in splits:
        check_apart(groups[train], groups[test])
    return splits


def fold_of(splits: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """(n,) int, the fold in which each row is tested."""
    fold = np.empty(sum(len(test) for _, test in splits), dtype=int)
    for i, (_, test) in enumerate(splits):
        fold[test] = i
    return fold


def check_apart(train: np.ndarray, test: np.ndarray) -> None:
    """Refuse a subject that is in training and test at once.

    Raises
    ------
    InputError : naming the subject.
    """
    both = np.intersect1d(train, test)
    if len(both):
        raise InputError(f"subject '{both[0]}' is in training and test at once; split by subject")


def permute_labels(y: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Row indices of permuted labels: between subjects where labels are theirs, else between recordings."""
    first = {g: np.flatnonzero(groups == g)[0] for g in np.unique(groups)}
    own = np.array([first[g] for g in groups])
    if not (y == y[own]).all():
        return rng.permutation(len(y))
    order = np.array(list(first))
    other = dict(zip(order, rng.permutation(order), strict=True))
    return np.array([first[other[g]] for g in groups])


def prepare(
    features: tuple[np.ndarray, bool], train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Training and test rows, weighted or standardised by the training rows, mean squared length 1."""
    values, counts = features
    a, b = values[train], values[test]
    if counts:
        weights = CountWeights().fit(a)
        a, b = weights.transform(a), weights.transform(b)
    else:
        with np.errstate(all="ignore"):
            middle = np.nan_to_num(np.nanmedian(np.where(np.isfinite(a).any(axis=0), a, 0.0), axis=0))
        a, b = np.where(np.isnan(a), middle, a), np.where(np.isnan(b), middle, b)
        spread = a.std(axis=0)
        a, b = (np.where(spread > 1e-9, x / np.where(spread > 1e-9, spread, 1), 0) for x in (a, b))
    centre = a.mean(axis=0)
    a, b = a - centre, b - centre
    scale = np.sqrt((a**2).sum(axis=1).mean()) or 1.0
    return a / scale, b / scale


def fit_predict(a, y, b, task: Task, penalties: tuple[float, ...]) -> np.ndarray:
    """Predictions for rows b at each penalty: (penalties, n, T) values or (penalties, n, C) chances."""
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    projected = (
        b @ vt.T
    )  # the penalty does not see the rotation, and wide tables become as narrow as they are long
    if task.kind == "classification":
        out = []
        for penalty in penalties:
            strength = 10 / (penalty * len(a))
            model = LogisticRegression(
                C=strength, class_weight="balanced", solver="newton-cholesky", tol=1e-4
            )
            out.append(model.fit(u * s, y[:, 0]).predict_proba(projected))
        return np.stack(out)
    centre = y.mean(axis=0)
    inner = u.T @ (y - centre)
    shrink = s / (s**2 + np.asarray(penalties)[:, None] * len(a) / 10)  # (penalties, r)
    return centre + projected @ (shrink[:, :, None] * inner)


def _loss(predicted: np.ndarray, y: np.ndarray, task: Task) -> np.ndarray:
    """Log loss or squared error summed over rows, (penalties,)."""
    if task.kind == "classification":
        chance = np.take_along_axis(predicted, y[None, :, :1].astype(int), axis=2)
        return -np.log(np.clip(chance, 1e-12, 1)).sum(axis=(1, 2))
    return ((predicted - y) ** 2).sum(axis=(1, 2))


def cross_validate(features, y, groups, splits, task: Task, inner_folds: int, seed: int) -> np.ndarray:
    """Out-of-fold predictions (n, T): class indices or values."""
    predicted = np.empty(y.shape)
    classification = task.kind == "classification"
    for train, test in splits:
        folds = min(inner_folds, len(np.unique(groups[train])))
        loss = np.zeros(len(PENALTIES))
        for inner_train, inner_test in grouped_splits(y[train], groups[train], folds, classification, seed):
            rows, held = train[inner_train], train[inner_test]
            if classification and len(np.unique(y[rows])) < len(np.unique(y)):
                continue  # an inner fold without some class cannot rank penalties
            a, b = prepare(features, rows, held)
            loss += _loss(fit_predict(a, y[rows], b, task, PENALTIES), y[held], task)
        penalty = PENALTIES[int(np.argmin(loss))]
        a, b = prepare(features, train, test)
        if classification and len(np.unique(y[train])) < len(np.unique(y)):
            raise InputError("a training fold lacks a class: too few subjects show it; use fewer folds")
        out = fit_predict(a, y[train], b, task, (penalty,))[0]
        predicted[test] = out.argmax(axis=1)[:, None] if classification else out
    return predicted


def constant_predictions(y, splits, task: Task) -> np.ndarray:
    """The best constant by the primary metric on the training fold: a class, or median/mean per target."""
    primary = METRICS[task.metrics[0]]
    predicted = np.empty(y.shape)
    for train, test in splits:
        if task.kind == "classification":
            n = int(y.max()) + 1
            truth = y[train, 0].astype(int)
            sums = [m.classification_sums(truth, np.full_like(truth, c), n).sum(axis=0) for c in range(n)]
            predicted[test] = int(np.argmax([primary.of(s) for s in sums]))
        else:
            middle = np.median if "MAE" in primary.name else np.mean
            predicted[test] = middle(y[train], axis=0)
    return predicted
