"""One representation through the folds: the penalty chosen inside, predictions made outside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dfe_lib.analysis.prediction import metrics as m
from dfe_lib.analysis.prediction.folds import Fold, grouped_splits, inner_splits, permute_labels
from dfe_lib.analysis.prediction.inputs import Source
from dfe_lib.analysis.prediction.metrics import METRICS, Task
from dfe_lib.analysis.prediction.preparing import Design, prepare, rotate
from dfe_lib.analysis.prediction.solvers import LOGISTIC, PENALTIES, SVM, model_for, path, rotatable
from dfe_lib.errors import InputError

__all__ = ["PENALTIES", "choose_penalty", "fit_predict", "grouped_splits", "permute_labels", "prepare"]


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Predictions of recordings by models that saw nothing of their subjects; NaN where a row is never tested.

    Attributes
    ----------
    values : (n, T) float64, class numbers or numbers.
    scores : (n, C), evidence for each class (for two classes minus and plus half the log odds or the decision value);
        None for numbers.
    chances : (n, C), probabilities of classes as common as in training; None for numbers and for models without.
    penalties : (folds,) λ chosen inside each.
    """

    values: np.ndarray
    scores: np.ndarray | None = None
    chances: np.ndarray | None = None
    penalties: np.ndarray | None = None


def cross_validate(
    features: Source,
    y: np.ndarray,
    plan: list[Fold],
    task: Task,
    model: str | None = None,
    see_all: bool = False,
) -> OutOfFold:
    """Predictions of every test row.

    Parameters
    ----------
    y : (n, T) class numbers in one column, or values.
    see_all : scale with test recordings too; a leak, for :func:`~dfe_lib.analysis.prediction.controls.leakage` alone.
    """
    model = model_for(task.kind, model)
    everyone = np.arange(len(y)) if see_all else None
    answers = [answer_fold(features, y, fold, task, model, everyone) for fold in plan]
    return gather(answers, y, plan, task, model)


def answer_fold(
    features: Source, y: np.ndarray, fold: Fold, task: Task, model: str, everyone: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """The penalty chosen inside one fold, and the model's answers for its test rows, (m, outputs)."""
    penalty = _choose(features, y, fold.inner, task, model, everyone)
    design = _design(features(fold.train), fold.train, fold.test, model, everyone)
    return penalty, path(design, y[fold.train], model, (penalty,))(design.test)[0]


def gather(
    answers: list[tuple[float, np.ndarray]], y: np.ndarray, plan: list[Fold], task: Task, model: str
) -> OutOfFold:
    """Answers of all folds (:func:`answer_fold`) as predictions of all rows."""
    classification = task.kind == "classification"
    values = np.full(y.shape, np.nan)
    n_classes = int(y.max()) + 1 if classification else 0
    scores = np.full((len(y), n_classes), np.nan) if classification else None
    chances = scores.copy() if model == LOGISTIC else None
    for fold, (_, answer) in zip(plan, answers, strict=True):
        if not classification:
            values[fold.test] = answer
            continue
        evidence = _evidence(answer)
        scores[fold.test] = evidence
        values[fold.test] = evidence.argmax(axis=1)[:, None]
        if chances is not None:
            # Classes weigh the same in training; chances are those of classes as common as they are.
            share = np.bincount(y[fold.train, 0], minlength=n_classes) / len(fold.train)
            chances[fold.test] = _softmax(evidence + np.log(share))
    return OutOfFold(values, scores, chances, np.array([penalty for penalty, _ in answers]))


def choose_penalty(
    features: tuple[np.ndarray, bool],
    y: np.ndarray,
    groups: np.ndarray,
    train: np.ndarray,
    task: Task,
    inner_folds: int,
    seed: int,
    model: str | None = None,
) -> float:
    """The penalty that the protocol chooses for training rows ``train``."""
    inner = inner_splits(y, groups, train, inner_folds, task.kind == "classification", seed)
    return _choose(lambda rows: features, y, inner, task, model_for(task.kind, model))


def fit_predict(
    a: np.ndarray,
    y: np.ndarray,
    b: np.ndarray,
    task: Task,
    penalties: tuple[float, ...],
    model: str | None = None,
) -> np.ndarray:
    """Answers for prepared rows b at each penalty: (penalties, m, T) values, or (penalties, m, C) chances of classes
    that weigh the same."""
    model = model_for(task.kind, model)
    design = _turned(a, b, model)
    answers = path(design, y, model, penalties)(design.test)
    return answers if task.kind == "regression" else _softmax(_evidence(answers))


def constant_predictions(y: np.ndarray, plan: list[Fold], task: Task) -> OutOfFold:
    """The best constant by the primary metric on the training fold: a class, or median/mean per target."""
    primary = METRICS[task.metrics[0]]
    values = np.full(y.shape, np.nan)
    if task.kind == "regression":
        middle = np.median if "MAE" in primary.name else np.mean
        for fold in plan:
            values[fold.test] = middle(y[fold.train], axis=0)
        return OutOfFold(values)
    n = int(y.max()) + 1
    chances = np.full((len(y), n), np.nan)
    for fold in plan:
        truth = y[fold.train, 0]
        sums = [m.classification_sums(truth, np.full_like(truth, c), n).sum(axis=0) for c in range(n)]
        values[fold.test] = int(np.argmax([primary.of(s) for s in sums]))
        chances[fold.test] = np.bincount(truth, minlength=n) / len(truth)
    return OutOfFold(values, np.log(np.maximum(chances, 1e-12)), chances)


def _choose(features: Source, y, inner, task: Task, model: str, learn: np.ndarray | None = None) -> float:
    """λ with the least mean loss over the inner folds."""
    losses = []
    for rows, held in inner:
        design = _design(features(rows), rows, held, model, learn)
        answers = path(design, y[rows], model, PENALTIES)(design.test)
        losses.append(_loss(answers, y[held], model, task))
    return PENALTIES[int(np.argmin(np.mean(losses, axis=0)))]


def _design(data: tuple[np.ndarray, bool], train, test, model: str, learn: np.ndarray | None) -> Design:
    return _turned(*prepare(data, train, test, learn), model)


def _turned(a: np.ndarray, b: np.ndarray, model: str) -> Design:
    return rotate(a, b) if rotatable(model) else Design(a, b, (a**2).sum(axis=0), ())


def _evidence(answers: np.ndarray) -> np.ndarray:
    """(…, C) evidence for each class from (…, outputs)."""
    return np.concatenate([-answers / 2, answers / 2], axis=-1) if answers.shape[-1] == 1 else answers


def _softmax(evidence: np.ndarray) -> np.ndarray:
    e = np.exp(evidence - evidence.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _loss(answers: np.ndarray, y: np.ndarray, model: str, task: Task) -> np.ndarray:
    """(penalties,) what the model minimises, on held-out rows: squared error, or log or hinge loss by class."""
    if task.kind == "regression":
        return ((answers - y) ** 2).mean(axis=(1, 2))
    classes = y[:, 0]
    if model == SVM:
        if answers.shape[-1] == 1:
            sign = np.where(classes == 1, 1.0, -1.0)[:, None]
        else:
            sign = np.where(np.arange(answers.shape[-1]) == classes[:, None], 1.0, -1.0)
        loss = (np.maximum(1 - sign * answers, 0) ** 2).mean(axis=-1)
    else:
        chance = _softmax(_evidence(answers))[:, np.arange(len(y)), classes]
        loss = -np.log(np.maximum(chance, 1e-15))
    present = np.unique(classes)
    return np.mean([loss[:, classes == c].mean(axis=1) for c in present], axis=0)


def check_trainable(y: np.ndarray, plan: list[Fold]) -> None:
    """Refuse a training fold in which a number never varies."""
    for fold in plan:
        if (np.ptp(y[fold.train], axis=0) == 0).any():
            raise InputError("the label is the same in all training recordings of a fold: nothing to learn")
