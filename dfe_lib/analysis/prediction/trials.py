"""Cross-validations of many methods, here or by worker processes: each fold of each is one call.

What the folds need lies in a folder that all workers can read: labels and folds, and the features of every method once.
A call is then a few words, and a worker reads what it has not read before.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from safetensors import safe_open
from safetensors.numpy import save_file

from dfe_lib.analysis.prediction.folds import Fold
from dfe_lib.analysis.prediction.inputs import Source
from dfe_lib.analysis.prediction.metrics import Task
from dfe_lib.analysis.prediction.model import OutOfFold, answer_fold, cross_validate, gather
from dfe_lib.analysis.representations.base import Representation, Table
from dfe_lib.analysis.representations.learnt import ComponentStatistics, KMeansBag, UnitWords
from dfe_lib.errors import ConfigError
from dfe_lib.paths import data_dir

if TYPE_CHECKING:
    from dfe_lib.batch.workers import Workers

LEARNERS = {kind.__name__: kind for kind in (ComponentStatistics, KMeansBag, UnitWords)}
_STATE = "state"


@dataclass(frozen=True, eq=False)
class Trial:
    """One method through the folds of one repeat.

    Attributes
    ----------
    name : of the method.
    y : (n, T) labels that are learnt, as of :func:`~dfe_lib.analysis.prediction.inputs.label_matrix`.
    plan : folds.
    """

    name: str
    y: np.ndarray
    plan: list[Fold]


def run_trials(
    trials: Sequence[Trial],
    sources: Mapping[str, Source],
    features: Mapping[str, object],
    index: pd.Index,
    task: Task,
    model: str,
    workers: Workers | None = None,
) -> list[OutOfFold]:
    """Predictions of every trial, in order.

    Parameters
    ----------
    sources : what ``features`` are as functions of the training rows.
    features, index : as given to :func:`~dfe_lib.analysis.prediction.protocol.evaluate`.
    """
    if workers is None:
        return [cross_validate(sources[t.name], t.y, t.plan, task, model) for t in trials]
    place = data_dir() / "derived"
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="folds-", dir=place) as folder:
        numbers = {name: i for i, name in enumerate(sources)}
        for name, number in numbers.items():
            write_features(
                features[name], sources[name], index, Path(folder) / f"features-{number}.safetensors"
            )
        for number, trial in enumerate(trials):
            _write_trial(trial, Path(folder) / f"trial-{number}.safetensors")
        calls = [
            (t, numbers[trial.name], f) for t, trial in enumerate(trials) for f in range(len(trial.plan))
        ]
        columns = zip(*[(folder, *call, task, model) for call in calls], strict=True)
        answers = iter(workers.map(answer_here, *columns))
        return [gather([next(answers) for _ in t.plan], t.y, t.plan, task, model) for t in trials]


def answer_here(
    folder: str, trial: int, method: int, fold: int, task: Task, model: str
) -> tuple[float, np.ndarray]:
    """One fold, in a worker: see :func:`~dfe_lib.analysis.prediction.model.answer_fold`."""
    given = read_features(str(Path(folder) / f"features-{method}.safetensors"))
    y, own = _read_fold(Path(folder) / f"trial-{trial}.safetensors", fold)
    return answer_fold(given, y, own, task, model)


def write_features(given: object, fixed: Source, index: pd.Index, path: Path) -> None:
    """A table as its matrix; what learns on training rows as the numbers that it learns from.

    Raises
    ------
    ConfigError : a representation that is none of ours, so that a worker would not know what to make of the file.
    """
    if isinstance(given, pd.DataFrame | Table):
        values, counts = fixed(np.arange(len(index)))
        save_file({"values": np.ascontiguousarray(values)}, path, {_STATE: json.dumps({"counts": counts})})
        return
    kind = type(given).__name__
    if LEARNERS.get(kind) is not type(given):
        raise ConfigError(
            f"'{given.name}' learns in every fold, and worker processes know only {', '.join(sorted(LEARNERS))}; "
            "give its vectors as a table, or leave workers out"
        )
    state = {k: v for k, v in vars(given).items() if k != "recordings"}
    arrays = {k: np.ascontiguousarray(v) for k, v in state.items() if isinstance(v, np.ndarray)}
    plain = {k: v for k, v in state.items() if k not in arrays}
    arrays["rows"] = given.recordings.get_indexer(index)
    said = {"kind": kind, "n": len(given.recordings), "plain": plain}
    save_file(arrays, path, {_STATE: json.dumps(said)})


@lru_cache(maxsize=4)
def read_features(path: str) -> Source:
    """What :func:`write_features` has written, as a function of the training rows."""
    with safe_open(path, "numpy") as file:
        arrays, said = {k: file.get_tensor(k) for k in file.keys()}, json.loads(file.metadata()[_STATE])
    if "counts" in said:
        fixed = arrays["values"], said["counts"]
        return lambda train: fixed
    rows = arrays.pop("rows")
    own: Representation = object.__new__(LEARNERS[said["kind"]])
    vars(own).update(arrays, **said["plain"], recordings=pd.RangeIndex(said["n"]))
    return lambda train: (own.vectors(rows[train])[rows], bool(own.counts))


def _write_trial(trial: Trial, path: Path) -> None:
    arrays = {"y": np.ascontiguousarray(trial.y)}
    for f, fold in enumerate(trial.plan):
        arrays |= {f"{f}/train": fold.train, f"{f}/test": fold.test}
        for i, (rows, held) in enumerate(fold.inner):
            arrays |= {f"{f}/{i}/train": rows, f"{f}/{i}/test": held}
    save_file(arrays, path)


def _read_fold(path: Path, fold: int) -> tuple[np.ndarray, Fold]:
    with safe_open(path, "numpy") as file:
        inner = sum(name.startswith(f"{fold}/") for name in file.keys()) // 2 - 1
        read = file.get_tensor
        pairs = tuple((read(f"{fold}/{i}/train"), read(f"{fold}/{i}/test")) for i in range(inner))
        return read("y"), Fold(read(f"{fold}/train"), read(f"{fold}/test"), pairs)
