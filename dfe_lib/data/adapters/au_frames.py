"""Action units as automatic coders report them: one type, whichever tool wrote the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.errors import InputError

HIGHEST = 5.0  # intensity E
_ROUNDING = 1e-6  # of the range: what a tool's own rounding may exceed it by


@dataclass(frozen=True)
class ActionUnitFrames:
    """Action units of one recording; the three tables are aligned by row.

    Rules that hold for every tool:

    - a frame without a face, or with an empty cell among its intensities, is not detected: all its units are NaN;
    - intensities are 0–5, presences 0 or 1; anything outside is an error, never clipped;
    - a row that repeats another one exactly is dropped; one frame with two different rows is an error, except where the
      reader says which face it keeps;
    - a unit that the tool only detects has a presence and no intensity, and none is made up for it.

    Attributes
    ----------
    frames : frame table; ``source_frame`` is the tool's frame number, ``attrs`` tell the tool.
    intensity : n × units, float64, columns like ``AU12``; no columns in a file with presences only.
    presence : the same with 0.0 and 1.0; no columns where the tool gives none.
    dropped : number of repeated rows left out.
    emptied : number of frames with a face that are not detected because of empty cells.

    Examples
    --------
    >>> table = read_openface(path)                       # doctest: +SKIP
    >>> table.matrix(["AU06", "AU12"]).shape              # doctest: +SKIP
    (100, 2)
    """

    frames: pd.DataFrame
    intensity: pd.DataFrame
    presence: pd.DataFrame
    dropped: int = 0
    emptied: int = 0

    def matrix(self, names: Sequence[str]) -> np.ndarray:
        """(n, k) float64 intensities of the named units, in this order; NaN where not detected.

        Raises
        ------
        InputError : a unit without an intensity, and whether the file has at least its presence.
        """
        lacking = [name for name in names if name not in self.intensity.columns]
        if lacking:
            only = [name for name in lacking if name in self.presence.columns]
            tool = self.frames.attrs.get("tool", "this tool")
            raise InputError(
                f"{tool} gave no intensity of {', '.join(lacking)}"
                + (f" (a presence only of {', '.join(only)})" if only else "")
                + f"; it has {', '.join(self.intensity.columns) or 'none at all'}"
            )
        return self.intensity[list(names)].to_numpy(dtype=np.float64)


def au_frames(
    path: str | Path,
    table: pd.DataFrame,
    intensity: pd.DataFrame,
    presence: pd.DataFrame,
    recording: str | None,
    tool: str,
    highest: float = HIGHEST,
    **attrs: object,
) -> ActionUnitFrames:
    """Check what a reader found and bring it into one form; see :class:`ActionUnitFrames` for the rules.

    Parameters
    ----------
    table : n rows with ``source_frame`` (whole numbers), ``time_s`` and ``detected``; ``n_faces`` if known.
    intensity, presence : n × units, columns like ``AU12``.
    highest : what the tool writes for intensity 5; values are scaled by it.

    Raises
    ------
    InputError : neither intensities nor presences, values out of range, frames that contradict each other.
    """
    if intensity.shape[1] + presence.shape[1] == 0:
        raise InputError(f"{path} has no action units")
    repeated = np.zeros(len(table), bool)
    if table["source_frame"].duplicated().any():  # otherwise no row can repeat another
        whole = pd.concat([table, intensity.add_suffix("_r"), presence.add_suffix("_c")], axis=1)
        repeated = whole.duplicated().to_numpy()
        table, intensity, presence = (
            t[~repeated].reset_index(drop=True) for t in (table, intensity, presence)
        )
    twice = table["source_frame"].duplicated()
    if twice.any():
        raise InputError(
            f"{path} has different rows for frame {table['source_frame'][twice].iloc[0]} "
            f"({int(twice.sum())} such); keep the rows of one face"
        )
    found = table["detected"].to_numpy(dtype=bool)
    _in_range(path, intensity[found], highest)
    wrong = presence[found].notna() & ~presence[found].isin([0.0, 1.0])
    if wrong.any(axis=None):
        raise InputError(f"{path}: presence of {wrong.columns[wrong.any()][0]} must be 0 or 1")
    measured = intensity if intensity.shape[1] else presence
    empty = found & measured.isna().any(axis=1).to_numpy()
    detected = found & ~empty
    scaled = (intensity * (HIGHEST / highest)).clip(0.0, HIGHEST)
    shown = pd.Series(detected)
    out = frames.frame_table(
        recording or Path(path).stem,
        table["time_s"].to_numpy(dtype=np.float64),
        detected,
        n_faces=table["n_faces"].to_numpy() if "n_faces" in table else detected,
        attrs={"tool": tool, **attrs},
        source_frame=table["source_frame"].to_numpy(dtype=np.int32),
    )
    return ActionUnitFrames(
        out, scaled.where(shown, np.nan), presence.where(shown, np.nan), int(repeated.sum()), int(empty.sum())
    )


def _in_range(path: str | Path, intensity: pd.DataFrame, highest: float) -> None:
    slack = _ROUNDING * highest
    values = intensity.to_numpy(dtype=np.float64)
    outside = (values < -slack) | (values > highest + slack)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        raise InputError(
            f"{path}: {intensity.columns[column]} is {values[row, column]:g}, but intensities lie in 0–{highest:g} "
            f"({int(outside.any(axis=1).sum())} frames outside); is this another tool's file, or a scaled one?"
        )
