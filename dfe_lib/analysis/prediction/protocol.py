"""Prediction from one vector per recording: subjects kept apart, and every row needed to judge it.

Nested cross-validation: outer folds hold out subjects, inner folds of the training subjects choose the
penalty. Vocabulary, weights, imputation and scaling are learnt on training recordings only. Where a dataset comes
with official splits, dev chooses and test is scored once. There is no option to split
at random; :func:`dfe_lib.analysis.prediction.controls.leakage` shows what that would be worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dfe_lib.analysis.prediction.folds import fold_of, nested, official, permute_labels
from dfe_lib.analysis.prediction.inputs import check_classes, label_matrix, source, subject_groups
from dfe_lib.analysis.prediction.metrics import Task
from dfe_lib.analysis.prediction.model import OutOfFold, check_trainable, constant_predictions
from dfe_lib.analysis.prediction.scores import score_table
from dfe_lib.analysis.prediction.solvers import model_for
from dfe_lib.analysis.prediction.trials import Trial, run_trials
from dfe_lib.errors import InputError

if TYPE_CHECKING:
    from dfe_lib.batch.workers import Workers

CONSTANT = "constant"
SHUFFLED = "shuffled labels"


@dataclass(frozen=True)
class Outcome:
    """What :func:`evaluate` returns.

    Attributes
    ----------
    table : one row per method, target and metric: ``method, target, metric, value, low, high, spread, difference,
        difference_low, difference_high, p, p_holm, primary``. ``low, high``: 95 % bootstrap interval over subjects.
        ``spread``: standard deviation over repeats, NaN with one. ``difference``: value minus the reference's, with the
        95 % interval of the same bootstrap samples. ``p``: paired permutation test against the reference on the primary
        metric, Holm-adjusted over methods in ``p_holm``; NaN elsewhere.
    predictions : one row per repeat, recording and target: ``repeat, recording, subject, fold, target, truth`` and one
        column per method, out of fold.
    decisions : for classes, one row per repeat, recording and method: ``repeat, recording, subject, fold, method,
        truth, predicted``, one column ``score <class>`` per class (evidence; for two classes half the log odds or
        decision value) and one ``chance <class>`` (probability; NaN for a linear SVM). Empty for numbers.
    penalties : ``method, repeat, fold, penalty``: what the inner search chose.
    reference : the method that the others are tested against.
    model : the model on top.
    """

    table: pd.DataFrame
    predictions: pd.DataFrame
    decisions: pd.DataFrame
    penalties: pd.DataFrame
    reference: str
    model: str


def evaluate(
    features: Mapping[str, object],
    labels: pd.Series | pd.DataFrame,
    subjects: pd.Series,
    task: Task,
    seed: int = 0,
    reference: str | None = None,
    folds: int = 5,
    inner_folds: int = 3,
    replicates: int = 1000,
    repeats: int = 1,
    model: str | None = None,
    splits: pd.Series | None = None,
    workers: Workers | None = None,
) -> Outcome:
    """Compare representations on one task.

    Parameters
    ----------
    features : method → a table with one row per recording, or a
        :class:`~dfe_lib.analysis.representations.base.Representation`, which learns its words anew on every set of
        training recordings, inner ones included. Tables of integers are counts and get TF-IDF weights, others
        are imputed by the median and standardised; both learnt inside the training fold.
    labels : indexed by recording; a Series, or for regression a DataFrame of several targets.
    subjects : subject of each recording, same index.
    reference : method to test the others against; the first by default. Its features also make the row
        ``shuffled labels``: trained on permuted labels (between people, or within them where labels change within
        people), scored on the true ones.
    folds, inner_folds : how many groups of subjects, outside and inside.
    replicates : bootstrap replicates, and permutations of the paired tests.
    repeats : how often the whole is done with other folds; values are means.
    model : one of :data:`dfe_lib.analysis.prediction.solvers.MODELS`: "logistic regression" (default for classes),
        "linear SVM", "ridge" (default for numbers), "elastic net". Penalties: ``PENALTIES`` there.
    splits : official splits, ``train``, ``dev`` or ``test`` for each recording, in place of outer folds.
    workers : processes that do the folds of all methods and repeats (:func:`dfe_lib.batch.workers.workers`), with the
        same result; by default this one does. The features reach them once, as files.

    Raises
    ------
    InputError : fewer subjects than folds, a subject in two official splits, one class only, a class in one subject
        only, labels that are missing or constant, recordings that a table lacks or in which nothing was measured,
        features that are not numbers.

    Examples
    --------
    >>> outcome = evaluate({"tokens": bags, "AUs": au_table}, labels, subjects, STRESS)   # doctest: +SKIP
    >>> outcome.table.query("primary")                                                     # doctest: +SKIP
    """
    y, targets, classes = label_matrix(labels, task)
    groups = subject_groups(subjects, labels.index, folds if splits is None else 2)
    sources = {name: source(name, given, labels.index) for name, given in features.items()}
    if not sources:
        raise InputError("no features were given: pass at least one table, e.g. {'tokens': bag_of_tokens(…)}")
    reference = next(iter(sources)) if reference is None else reference
    if reference not in sources:
        raise InputError(f"the reference '{reference}' is not among the features: {', '.join(sources)}")
    taken = [name for name in (CONSTANT, SHUFFLED) if name in sources]
    if taken:
        raise InputError(
            f"the name '{taken[0]}' is that of a row which the protocol adds; call the features otherwise"
        )
    model = model_for(task.kind, model)
    if classes is not None:
        check_classes(y[:, 0], groups, classes)
    if splits is not None and repeats > 1:
        raise InputError("official splits leave nothing to repeat: use repeats=1")
    if repeats < 1:
        raise InputError(f"repeats must be 1 or more, got {repeats}")
    plans = []
    for r in range(repeats):
        if splits is None:
            plans.append(nested(y, groups, folds, inner_folds, classes is not None, seed + r))
        else:
            plans.append(official(splits, y, groups, labels.index, classes, inner_folds, seed))
    for plan in plans:
        check_trainable(y, plan)
    trials = [Trial(name, y, plan) for plan in plans for name in sources]
    for r, plan in enumerate(plans):
        moved = _moved_labels(y, groups, plan, task, np.random.default_rng([seed, 3, r]))
        trials.append(Trial(reference, moved, plan))
    done = iter(run_trials(trials, sources, features, labels.index, task, model, workers))
    predicted: dict[str, list[OutOfFold]] = {name: [] for name in (*sources, CONSTANT, SHUFFLED)}
    for plan in plans:
        for name in sources:
            predicted[name].append(next(done))
        predicted[CONSTANT].append(constant_predictions(y, plan, task))
    predicted[SHUFFLED] = list(done)
    tested = [fold_of(plan, len(y)) for plan in plans]
    table = score_table(predicted, y, groups, tested, targets, task, reference, seed, replicates)
    about = pd.DataFrame({"recording": labels.index, "subject": subjects.reindex(labels.index).to_numpy()})
    return Outcome(
        table,
        _predictions(predicted, about, tested, y, targets, classes),
        _decisions(predicted, about, tested, y, classes),
        _penalties(predicted),
        reference,
        model,
    )


def _moved_labels(y, groups, plan, task: Task, rng: np.random.Generator) -> np.ndarray:
    """Permuted labels; few people can leave a fold without a class, so several permutations are tried."""
    for _ in range(100):
        moved = y[permute_labels(y, groups, rng)]
        rows = [r for fold in plan for r in (fold.train, *(inner for inner, _ in fold.inner))]
        if task.kind == "regression" or all(len(np.unique(moved[r])) == len(np.unique(y)) for r in rows):
            return moved
    raise InputError("no permuted labels leave every class in every training fold: too few subjects show one")


def _predictions(predicted, about, tested, y, targets, classes) -> pd.DataFrame:
    parts = []
    for r, fold in enumerate(tested):
        rows = fold >= 0
        for t, target in enumerate(targets):
            part = about[rows].assign(repeat=r, fold=fold[rows], target=target)
            part["truth"] = _named(y[rows, t], classes)
            shown = {name: _named(runs[r].values[rows, t], classes) for name, runs in predicted.items()}
            parts.append(part.assign(**shown))
    first = ["repeat", "recording", "subject", "fold", "target", "truth"]
    return pd.concat(parts, ignore_index=True)[[*first, *predicted]]


def _decisions(predicted, about, tested, y, classes) -> pd.DataFrame:
    if classes is None:
        return pd.DataFrame()
    parts = []
    for name, runs in predicted.items():
        for r, (p, fold) in enumerate(zip(runs, tested, strict=True)):
            rows = fold >= 0
            part = about[rows].assign(
                repeat=r, fold=fold[rows], method=name, truth=_named(y[rows, 0], classes)
            )
            part["predicted"] = _named(p.values[rows, 0], classes)
            for i, c in enumerate(classes):
                part[f"score {c}"] = p.scores[rows, i]
                part[f"chance {c}"] = np.nan if p.chances is None else p.chances[rows, i]
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _penalties(predicted) -> pd.DataFrame:
    rows = [
        {"method": name, "repeat": r, "fold": f, "penalty": penalty}
        for name, runs in predicted.items()
        for r, p in enumerate(runs)
        if p.penalties is not None
        for f, penalty in enumerate(p.penalties)
    ]
    return pd.DataFrame(rows)


def _named(values: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    return values if classes is None else classes[values.astype(int)]
