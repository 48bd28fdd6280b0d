"""Who is trained on and who is tested: folds that keep subjects apart, official splits, permuted labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from dfe_lib.errors import InputError, choices

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True, eq=False)
class Fold:
    """One outer fold.

    Attributes
    ----------
    train, test : row numbers; no subject is in both.
    inner : pairs (train, held out) of rows of ``train`` that choose the penalty.
    """

    train: np.ndarray
    test: np.ndarray
    inner: tuple[tuple[np.ndarray, np.ndarray], ...]


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


def nested(
    y: np.ndarray, groups: np.ndarray, folds: int, inner_folds: int, stratified: bool, seed: int
) -> list[Fold]:
    """Outer folds with the inner folds of their training subjects.

    Raises
    ------
    InputError : a training fold without one of the classes.
    """
    plan = []
    for train, test in grouped_splits(y, groups, folds, stratified, seed):
        if stratified and len(np.unique(y[train])) < len(np.unique(y)):
            raise InputError(
                "a training fold lacks a class: too few subjects show it; use fewer folds or merge classes"
            )
        plan.append(Fold(train, test, inner_splits(y, groups, train, inner_folds, stratified, seed)))
    return plan


def inner_splits(
    y: np.ndarray, groups: np.ndarray, train: np.ndarray, folds: int, stratified: bool, seed: int
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Folds of the training rows, as rows of all; one that would learn without some class is left out."""
    folds = min(folds, len(np.unique(groups[train])))
    pairs = [
        (train[a], train[b]) for a, b in grouped_splits(y[train], groups[train], folds, stratified, seed)
    ]
    if stratified:
        pairs = [(a, b) for a, b in pairs if len(np.unique(y[a])) == len(np.unique(y[train]))]
        if not pairs:
            raise InputError("no inner fold sees every class: too few subjects show one of them")
    return tuple(pairs)


def official(
    splits: pd.Series,
    y: np.ndarray,
    groups: np.ndarray,
    index: pd.Index,
    classes: np.ndarray | None,
    inner_folds: int,
    seed: int,
) -> list[Fold]:
    """The one fold of a dataset's own splits: dev chooses the penalty, train and dev train, test is scored once.

    Without dev recordings the penalty is chosen by folds of the training subjects.

    Parameters
    ----------
    splits : ``train``, ``dev`` or ``test`` for each recording.
    classes : names of the class numbers y; None where y are numbers.

    Raises
    ------
    InputError : a recording without a split, an unknown split, no training or test recordings, a subject in two splits,
        a class that cannot be learnt.
    """
    given = splits.reindex(index)
    if given.isna().any():
        raise InputError(
            f"recording '{index[given.isna().to_numpy()][0]}' has no split; give train, dev or test"
        )
    unknown = given[~given.isin(SPLITS)]
    if len(unknown):
        raise InputError(
            f"unknown split of recording '{unknown.index[0]}': {choices(unknown.iloc[0], SPLITS)}"
        )
    rows = {name: np.flatnonzero((given == name).to_numpy()) for name in SPLITS}
    for name in ("train", "test"):
        if not len(rows[name]):
            raise InputError(f"the official splits hold no {name} recording")
    for i, one in enumerate(SPLITS):
        for other in SPLITS[i + 1 :]:
            both = np.intersect1d(groups[rows[one]], groups[rows[other]])
            if len(both):
                raise InputError(
                    f"subject '{both[0]}' is in the {one} and the {other} split ({len(both)} such); a subject belongs "
                    "to one split: correct the splits, or leave them out and let the protocol split by subject"
                )
    lacking = np.setdiff1d(np.unique(y), np.unique(y[rows["train"]])) if classes is not None else []
    if len(lacking):
        raise InputError(f"the train split lacks class '{classes[int(lacking[0])]}': it cannot be learnt")
    learn = np.sort(np.concatenate([rows["train"], rows["dev"]]))
    if len(rows["dev"]):
        inner = ((rows["train"], rows["dev"]),)
    else:
        inner = inner_splits(y, groups, learn, inner_folds, classes is not None, seed)
    return [Fold(learn, rows["test"], inner)]


def fold_of(plan: list[Fold], n: int) -> np.ndarray:
    """(n,) int, the fold in which each row is tested; −1 where it never is."""
    fold = np.full(n, -1)
    for i, f in enumerate(plan):
        fold[f.test] = i
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


def between_people(y: np.ndarray, groups: np.ndarray) -> bool:
    """True where every subject's recordings share one label: the label is the person's."""
    _, first, person = np.unique(groups, return_index=True, return_inverse=True)
    return bool((y == y[first][person]).all())


def permute_labels(y: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Row indices of permuted labels, as they could have been if the label meant nothing.

    Labels of people are permuted between people; labels that change within a person, within each person.
    """
    _, first, person = np.unique(groups, return_index=True, return_inverse=True)
    if between_people(y, groups):
        return first[rng.permutation(len(first))][person]
    order = np.argsort(person, kind="stable")
    moved = np.empty(len(y), dtype=int)
    # Sorted by person and then by chance: the recordings of each person in a random order.
    moved[order] = np.lexsort((rng.random(len(y)), person))
    return moved
