"""LibreFace CSV files: twelve intensities (0–5), and twelve presences of partly other units."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from dfe_lib.data.adapters.au_frames import ActionUnitFrames, au_frames
from dfe_lib.data.adapters.tables import clock, numbers, read_csv, whole
from dfe_lib.errors import InputError

_UNIT = re.compile(r"au_(\d{1,2})(_intensity)?")
_FRAME, _TIME = "frame_idx", "frame_time_in_ms"


def read_libreface(
    path: str | Path, recording: str | None = None, fps: float | None = None
) -> ActionUnitFrames:
    """Action units of a CSV that LibreFace has written (``au_<k>_intensity``, ``au_<k>``).

    A file of one image has no frame numbers; its only row is frame 0. A file without times has frame numbers divided by
    ``fps`` in their place, or frame numbers alone.

    Parameters
    ----------
    recording : name in the frame table; by default the file's.
    fps : frames per second of the video, for files without ``frame_time_in_ms``.

    Raises
    ------
    InputError : not such a file, no action units, text where numbers should be, or what
        :class:`~dfe_lib.data.adapters.au_frames.ActionUnitFrames` excludes.
    """
    table = read_csv(path, [], "a LibreFace CSV")
    found = {c: m for c in table.columns if (m := _UNIT.fullmatch(c))}
    if not found:
        raise InputError(f"{path} is not a LibreFace CSV: it has no column au_<k> or au_<k>_intensity")
    if _FRAME not in table.columns and len(table) > 1:
        raise InputError(f"{path} has {len(table)} rows but no column '{_FRAME}' to order them by")
    frame = numbers(table, [_FRAME], path)[:, 0] if _FRAME in table.columns else np.zeros(1)
    whole(frame, _FRAME, path)
    attrs: dict[str, object] = {}
    if _TIME in table.columns:
        time_s = numbers(table, [_TIME], path)[:, 0] / 1000
    else:
        time_s, attrs = clock(frame, fps)
    values = pd.DataFrame(numbers(table, found, path), columns=list(found))
    intensity = values[[c for c, m in found.items() if m[2]]]
    presence = values[[c for c, m in found.items() if not m[2]]]
    rows = pd.DataFrame(
        {
            "source_frame": frame.astype(np.int64),
            "time_s": time_s,
            "detected": values.notna().any(axis=1),  # a frame without a face has empty cells
        }
    )
    return au_frames(
        path,
        rows,
        intensity.rename(columns=_unit),
        presence.rename(columns=_unit),
        recording,
        "LibreFace",
        **attrs,
    )


def _unit(column: str) -> str:
    return f"AU{int(_UNIT.fullmatch(column)[1]):02d}"
