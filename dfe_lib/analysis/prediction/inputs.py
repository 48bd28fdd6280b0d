"""What the protocol accepts: labels, subjects, tables of features and representations, checked and as arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from dfe_lib.analysis.prediction.metrics import Task
from dfe_lib.errors import InputError

# Training rows → (n, d) values of all recordings, NaN where not measured, and whether they are counts.
Source = Callable[[np.ndarray], tuple[np.ndarray, bool]]


def label_matrix(labels, task: Task) -> tuple[np.ndarray, list[str], np.ndarray | None]:
    if not labels.index.is_unique:
        raise InputError(f"recording '{labels.index[labels.index.duplicated()][0]}' has two labels")
    frame = labels.to_frame(labels.name or task.name) if isinstance(labels, pd.Series) else labels
    missing = frame.isna().any(axis=1)
    if missing.any():
        raise InputError(
            f"{missing.sum()} recordings have no label, the first is '{frame.index[missing][0]}'; drop them"
        )
    targets = [str(c) for c in frame.columns]
    constant = [c for c in frame.columns if frame[c].nunique() < 2]
    if constant:
        raise InputError(
            f"label '{constant[0]}' is the same in all {len(frame)} recordings: nothing to predict"
        )
    if task.kind == "classification":
        if len(targets) > 1:
            raise InputError(f"a classification task has one label, but {len(targets)} columns were given")
        classes, y = np.unique(frame.iloc[:, 0].to_numpy(), return_inverse=True)
        return y[:, None], targets, classes
    try:
        y = frame.to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"the labels of a regression task must be numbers ({error})") from error
    if np.isinf(y).any():
        raise InputError(f"recording '{frame.index[np.isinf(y).any(axis=1)][0]}' has an infinite label")
    return y, targets, None


def subject_groups(subjects: pd.Series, index: pd.Index, folds: int) -> np.ndarray:
    if not subjects.index.is_unique:
        raise InputError(
            f"recording '{subjects.index[subjects.index.duplicated()][0]}' has two subjects; give one per recording"
        )
    groups = subjects.reindex(index)
    if groups.isna().any():
        raise InputError(f"recording '{index[groups.isna().to_numpy()][0]}' has no subject")
    n = groups.nunique()
    if n < folds:
        raise InputError(f"{n} subjects cannot fill {folds} folds; use at most {n} folds or more subjects")
    return groups.astype(str).to_numpy()


def feature_matrix(name: str, table: pd.DataFrame, index: pd.Index) -> tuple[np.ndarray, bool]:
    """(n, d) float64 values in the order of ``index``, and whether they are counts (integers, none negative)."""
    check_recordings(name, table.index, index)
    table = table.loc[index]
    try:
        values = table.to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"the table '{name}' holds values that are not numbers ({error})") from error
    check_values(name, values, index)
    counts = all(pd.api.types.is_integer_dtype(t) for t in table.dtypes) and bool((values >= 0).all())
    return values, counts


def source(name: str, given, index: pd.Index) -> Source:
    """A table, or a representation that learns, as a function of the training rows.

    Parameters
    ----------
    given : DataFrame with one row per recording, or a
        :class:`~dfe_lib.analysis.representations.base.Representation`.
    index : recordings that are used, in the order of the rows.

    Raises
    ------
    InputError : recordings that lack, values that are not numbers or infinite, a recording of which nothing was
        measured.
    """
    if isinstance(given, pd.DataFrame):
        fixed = feature_matrix(name, given, index)
        return lambda train: fixed
    if not hasattr(given, "vectors"):
        raise InputError(
            f"the features '{name}' are neither a table nor a representation: {type(given).__name__}"
        )
    check_recordings(name, given.recordings, index)
    rows = given.recordings.get_indexer(index)

    def vectors(train: np.ndarray) -> tuple[np.ndarray, bool]:
        values = np.asarray(given.vectors(rows[train]), dtype=np.float64)
        if values.ndim != 2 or len(values) != len(given.recordings):
            raise InputError(
                f"'{name}' gave vectors of shape {values.shape} for {len(given.recordings)} recordings"
            )
        values = values[rows]
        check_values(name, values, index)
        return values, bool(given.counts)

    return vectors


def check_recordings(name: str, present: pd.Index, index: pd.Index) -> None:
    absent = index.difference(present)
    if len(absent) or not present.is_unique:
        which = (
            f"lacks recording '{absent[0]}' ({len(absent)} in all)" if len(absent) else "repeats a recording"
        )
        raise InputError(f"the table '{name}' {which}; every method is compared on the same recordings")


def check_values(name: str, values: np.ndarray, index: pd.Index) -> None:
    """Single missing values are imputed in the fold; a recording without any is refused by name."""
    if np.isinf(values).any() or not values.shape[1]:
        raise InputError(f"the table '{name}' holds infinite values or no column")
    empty = np.isnan(values).all(axis=1)
    if empty.any():
        raise InputError(
            f"nothing was measured in recording '{index[empty][0]}' ({empty.sum()} such in '{name}'), as where no face "
            "is detected; leave such recordings out of features, labels and subjects alike, and say how many they are"
        )


def check_classes(y: np.ndarray, groups: np.ndarray, classes: np.ndarray) -> None:
    for i, c in enumerate(classes):
        people = np.unique(groups[y == i])
        if len(people) < 2:
            raise InputError(
                f"class '{c}' occurs in one subject only ({people[0]}): it cannot be held out and learnt"
            )
