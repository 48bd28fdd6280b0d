"""What the protocol accepts: labels, subjects and tables of features, checked and as arrays."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dfe_lib.analysis.prediction.metrics import Task
from dfe_lib.errors import InputError


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
    y = frame.to_numpy(dtype=np.float64)
    return y, targets, None


def subject_groups(subjects: pd.Series, index: pd.Index, folds: int) -> np.ndarray:
    groups = subjects.reindex(index)
    if groups.isna().any():
        raise InputError(f"recording '{index[groups.isna().to_numpy()][0]}' has no subject")
    n = groups.nunique()
    if n < folds:
        raise InputError(f"{n} subjects cannot fill {folds} folds; use at most {n} folds or more subjects")
    return groups.astype(str).to_numpy()


def feature_matrix(name: str, table: pd.DataFrame, index: pd.Index) -> tuple[np.ndarray, bool]:
    absent = index.difference(table.index)
    if len(absent) or not table.index.is_unique:
        which = (
            f"lacks recording '{absent[0]}' ({len(absent)} in all)" if len(absent) else "repeats a recording"
        )
        raise InputError(f"the table '{name}' {which}; every method is compared on the same recordings")
    table = table.loc[index]
    try:
        values = table.to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"the table '{name}' holds values that are not numbers ({error})") from error
    if np.isinf(values).any() or not values.shape[1]:
        raise InputError(f"the table '{name}' holds infinite values or no column")
    counts = all(pd.api.types.is_integer_dtype(t) for t in table.dtypes) and bool((values >= 0).all())
    return values, counts


def check_classes(y: np.ndarray, groups: np.ndarray, classes: np.ndarray) -> None:
    for i, c in enumerate(classes):
        people = np.unique(groups[y == i])
        if len(people) < 2:
            raise InputError(
                f"class '{c}' occurs in one subject only ({people[0]}): it cannot be held out and learnt"
            )
