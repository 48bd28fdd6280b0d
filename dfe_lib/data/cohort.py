"""A cohort: frame tables of many recordings, and a table that says whose they are, with their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dfe_lib import frames
from dfe_lib.errors import InputError


@dataclass(frozen=True)
class Cohort:
    """A frame table with ``psi_`` columns and a recording table with label columns.

    Attributes
    ----------
    frames : see :mod:`dfe_lib.frames`.
    recordings : one row per recording: ``recording, subject, dataset`` and labels.
    """

    frames: pd.DataFrame
    recordings: pd.DataFrame


def read_cohort(frames_path: str | Path, recordings_path: str | Path, labels: Sequence[str]) -> Cohort:
    """A user's own cohort, as ``dfe extract`` writes it, with a table of labels.

    Parameters
    ----------
    frames_path : a .parquet frame table, or a folder of them (one per recording).
    recordings_path : CSV with the columns ``recording, subject, dataset`` and ``labels``.
    labels : label columns that the task needs.

    Raises
    ------
    InputError : a file or column that is missing, or recordings without frames.
    """
    folder = Path(frames_path)
    paths = sorted(folder.glob("*.parquet")) if folder.is_dir() else [folder]
    if not paths:
        raise InputError(f"the folder {folder} holds no .parquet frame table; make them with `dfe extract`")
    table = pd.concat(
        [frames.read(p, needs=["psi_"]).drop(columns="landmarks", errors="ignore") for p in paths]
    )
    path = Path(recordings_path)
    recordings = read_recordings(path, labels)
    absent = sorted(set(recordings["recording"]) - set(table["recording"]))
    if absent:
        raise InputError(f"{len(absent)} recordings of {path} have no frames, the first is '{absent[0]}'")
    table = table[table["recording"].isin(recordings["recording"])].reset_index(drop=True)
    return Cohort(frames.check(table), recordings)


def read_recordings(path: str | Path, labels: Sequence[str] = ()) -> pd.DataFrame:
    """A recording table from CSV: ``recording, subject, dataset`` and ``labels``.

    Raises
    ------
    InputError : no such file, or a column that is missing.
    """
    path = Path(path)
    if not path.is_file():
        columns = ", ".join(["recording", "subject", "dataset", *labels])
        raise InputError(f"{path} is not there; expected a CSV with {columns}")
    return frames.check_recordings(pd.read_csv(path, dtype={"recording": str, "subject": str}), labels)
