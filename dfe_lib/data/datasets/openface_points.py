"""68 landmarks from the CSV files of OpenFace, old and new, and how they join a table of action units."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dfe_lib.data.adapters.tables import numbers, read_wide, whole
from dfe_lib.data.datasets.columns import N_POINTS, POINTS, POINTS_2D, with_points
from dfe_lib.errors import InputError


@dataclass(frozen=True)
class Points:
    """Landmarks of one file: (n,) frame numbers, (n,) success, (n, 68, 2 or 3) float32; NaN where none were found."""

    frame: np.ndarray
    success: np.ndarray
    values: np.ndarray


def read_points(path: str | Path, name: str = "{axis}_{i}", axes: str = "XYZ") -> Points:
    """The 68 landmarks of one recording.

    Parameters
    ----------
    name : how their columns are called: ``X_0`` by OpenFace 2, ``X0`` in DAIC-WOZ; x and y (small) are pixels.
    axes : ``"XYZ"`` (mm, of the camera: x right, y down, z away) or ``"xy"``.

    Raises
    ------
    InputError : not such a file, a column missing, text where numbers should be, a frame twice.
    """
    wanted = [name.format(axis=axis, i=i) for axis in axes for i in range(N_POINTS)]
    table, flat = read_wide(path, ["frame"], wanted, "a table of 68 landmarks", ["confidence", "success"])
    frame = whole(numbers(table, ["frame"], path)[:, 0], "frame", path)
    if len(np.unique(frame)) < len(frame):
        raise InputError(f"{path} lists several faces in one frame; keep the rows of one")
    values = np.ascontiguousarray(flat.reshape(len(table), len(axes), N_POINTS).transpose(0, 2, 1))
    if "success" in table.columns:
        success = (table["success"] == 1).to_numpy()
    elif "confidence" in table.columns:
        success = numbers(table, ["confidence"], path)[:, 0] > 0
    else:
        success = np.ones(len(table), bool)
    success = success & np.isfinite(values).all(axis=(1, 2))
    values[~success] = np.nan
    return Points(frame, success, values)


def beside(table: pd.DataFrame, points: Points) -> pd.DataFrame:
    """``table`` with the landmarks of the same frames; where either was not found, nothing counts as detected."""
    at = pd.Index(points.frame).get_indexer(table["source_frame"])
    seen = table["detected"].to_numpy() & (at >= 0) & points.success[at]
    values = points.values[at]
    values[~seen] = np.nan
    out = table.assign(detected=seen, n_faces=seen.astype(np.int8))
    units = [c for c in out.columns if c.startswith("AU")]
    out[units] = out[units].where(pd.Series(seen), np.nan)
    out.attrs = dict(table.attrs)
    return with_points(out, POINTS if values.shape[2] == 3 else POINTS_2D, values)


def has_points(path: str | Path, name: str = "X_67") -> bool:
    """Whether a CSV file has a column called ``name``, by its first line; not where it cannot be read at all."""
    try:
        with Path(path).open("rb") as file:
            header = file.readline(1 << 16).decode("utf-8", "replace")
    except OSError:
        return False  # reading it says what is wrong
    return name in (column.strip() for column in header.split(","))
