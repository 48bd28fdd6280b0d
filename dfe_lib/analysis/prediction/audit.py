"""What features know that they should not need: whose recording it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from dfe_lib.analysis.prediction.inputs import source, subject_groups
from dfe_lib.analysis.prediction.permutation import STRENGTH
from dfe_lib.analysis.prediction.preparing import prepare
from dfe_lib.analysis.statistics import ratio, score_interval
from dfe_lib.errors import InputError


def identity_probe(
    features: Mapping[str, object], subjects: pd.Series, seed: int = 0, folds: int = 5
) -> pd.DataFrame:
    """How well the subject is told from the vector of a recording that was held out, the others being known.

    A ridge classifier of subjects; each subject's recordings are spread over the folds. Features that tell the person
    make a split at random worthless, and let any label of people be told by recognising them.

    Parameters
    ----------
    features : as for :func:`~dfe_lib.analysis.prediction.protocol.evaluate`.
    subjects : of each recording.

    Returns
    -------
    DataFrame with ``method, told`` (share of recordings whose subject is named), ``low, high`` (95 % bootstrap interval
    over subjects), ``chance`` (1 / subjects) and ``subjects``.

    Raises
    ------
    InputError : a subject with one recording, who cannot be learnt and held out, by name.
    """
    index = subjects.index
    groups = subject_groups(subjects, index, 2)
    names, person, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        raise InputError(
            f"subject '{names[counts.argmin()]}' has one recording ({(counts < 2).sum()} such): telling whose it is "
            "needs two of each; leave these subjects out of the probe"
        )
    fold = _spread(person, min(folds, int(counts.max())), np.random.default_rng(seed))
    rows = []
    for name, given in features.items():
        vectors, right = source(name, given, index), np.empty(len(index))
        for f in np.unique(fold):
            train, test = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
            a, b = prepare(vectors(train), train, test)
            right[test] = _told(a, person[train], b, len(names)) == person[test]
        terms = np.stack([np.ones(len(right)), right], axis=1)
        found = score_interval(terms, groups, ratio, np.random.default_rng(seed))
        row = {"method": name, "told": found.value, "low": found.low, "high": found.high}
        rows.append(row | {"chance": 1 / len(names), "subjects": len(names)})
    return pd.DataFrame(rows)


def _spread(person: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) folds such that no fold holds all recordings of a subject."""
    fold = np.empty(len(person), dtype=int)
    for p in np.unique(person):
        rows = np.flatnonzero(person == p)
        fold[rng.permutation(rows)] = np.arange(len(rows)) % folds
    return fold


def _told(a: np.ndarray, person: np.ndarray, b: np.ndarray, n_people: int) -> np.ndarray:
    known = np.bincount(person, minlength=n_people)
    targets = np.eye(n_people)[person] / np.maximum(known, 1)  # every subject weighs the same
    gram = a @ a.T
    # A tenth of the strength of the chance tests: subjects are many and each has few recordings.
    gram[np.arange(len(a)), np.arange(len(a))] += 0.1 * STRENGTH
    answers = b @ (a.T @ np.linalg.solve(gram, targets - targets.mean(axis=0)))
    answers[:, known == 0] = -np.inf
    return answers.argmax(axis=1)
