"""Feature columns of frame tables that are read from other people's files: action units and 68 landmarks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from dfe_lib.data.adapters.au_frames import ActionUnitFrames
from dfe_lib.data.cohort import Cohort
from dfe_lib.errors import InputError

N_POINTS = 68
POINTS, POINTS_2D = "landmarks68", "landmarks68_2d"  # (68, 3) in the tool's mm; (68, 2) in pixels


def with_points(table: pd.DataFrame, name: str, values: np.ndarray) -> pd.DataFrame:
    """A copy of ``table`` with a column of fixed-size lists made of an (n, points, axes) array."""
    values = np.asarray(values, np.float32)
    if len(values) != len(table):
        raise InputError(f"{name} has {len(values)} rows, the table {len(table)}")
    size = values[0].size if len(values) else N_POINTS * 3
    flat = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), size)
    out = table.assign(**{name: pd.array(flat, dtype=pd.ArrowDtype(flat.type))})
    out.attrs = dict(table.attrs)
    return out


def points(table: pd.DataFrame, name: str = POINTS) -> np.ndarray:
    """(n, 68, 3) float32 of the column ``landmarks68``, or (n, 68, 2) of ``landmarks68_2d``; NaN where not detected.

    Raises
    ------
    InputError : the table has no such column.
    """
    if name not in table.columns:
        raise InputError(f"the frame table has no column '{name}' (it has {', '.join(table.columns[:8])}…)")
    column = pa.chunked_array(pa.array(table[name])).combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    axes = 2 if name.endswith("_2d") else 3
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1, axes)


def with_units(aus: ActionUnitFrames) -> pd.DataFrame:
    """The frame table of ``aus`` with columns ``AU12`` (intensity, 0–5) and ``AU12_c`` (presence, 0 or 1), float32."""
    parts = [
        aus.frames.reset_index(drop=True),
        aus.intensity.reset_index(drop=True).astype(np.float32),
        aus.presence.reset_index(drop=True).astype(np.float32).add_suffix("_c"),
    ]
    out = pd.concat(parts, axis=1)
    out.attrs = dict(aus.frames.attrs)
    return out


def units(table: pd.DataFrame) -> list[str]:
    """Names of the action units with an intensity in a frame table, e.g. ``AU12``."""
    return [c for c in table.columns if c.startswith("AU") and c[2:].isdigit()]


def units_of(cohort: Cohort) -> list[str]:
    """Names of the action units with an intensity in a cohort, by its first recording.

    Raises
    ------
    InputError : none; presences alone are not enough.
    """
    found = units(next(iter(cohort.chunks())))
    if not found:
        raise InputError("the frames hold no intensity of any action unit (AU12 and the like, 0–5)")
    return found


def intensities(table: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """(n, k) float32 intensities 0–5 of the named units; NaN where not detected.

    Raises
    ------
    InputError : a unit that the table lacks.
    """
    lacking = [name for name in names if name not in table.columns]
    if lacking:
        raise InputError(
            f"recording '{table['recording'].iloc[0]}' has no intensity of {', '.join(lacking)}, which others have; "
            "all recordings of a cohort need the same action units"
        )
    return table[list(names)].to_numpy(dtype=np.float32)
