"""DISFA (Mavadati et al. 2013): spontaneous faces with twelve action units rated by hand, frame by frame."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from dfe_lib.data.adapters.au_frames import au_frames
from dfe_lib.data.adapters.matfiles import read_mat
from dfe_lib.data.datasets.base import VIDEOS, Dataset, Layout
from dfe_lib.data.datasets.columns import with_points, with_units
from dfe_lib.errors import InputError

UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
POINTS66 = "landmarks66_2d"
_LANDMARK_FILE = re.compile(r"(?:\w+_(?P<from_0>\d+)|l0(?P<from_1>\d+))_lm\.mat", re.IGNORECASE)


class Disfa(Dataset):
    name = "disfa"
    feeds = frozenset({"video", "aus"})
    defects = (
        "no task label: it is what DFECS was trained on, and a truth for action units",
        "66 landmarks, not 68: they are read into landmarks66_2d and feed no coding for 68 points",
        "two cameras film the same face: the left one is used, the right one only where the left is not there",
        "the files keep no times: time_s counts frames",
        "some people's landmark files are called l0<frame>_lm.mat, numbered from 1, the others' "
        "<person>_<frame>_lm.mat, numbered from 0; a frame without a file has no landmarks (SN031 lacks 3631)",
    )
    source_of_layout = (
        "public readers, which agree: the names of videos, ActionUnit_Labels/<person>/<person>_au<k>.txt "
        "(frame,intensity) and Landmark_Points/<person>/tmp_frame_lm/*_lm.mat (pts) with both ways of naming, in "
        "a MATLAB script and half a dozen readers in Python"
    )

    def scan(self, layout: Layout) -> pd.DataFrame:
        clips = {}
        for m in layout.tree.match(rf"(?:.*/)?(?P<side>left|right)video(?P<id>SN\d+)_comp\.(?:{VIDEOS})"):
            if m["side"].lower() == "left" or m["id"].upper() not in clips:
                clips[m["id"].upper()] = m[0]
        units = layout.by(r"(?:.*/)?(?P<id>SN\d+)/\w+_au(?P<unit>\d+)\.txt", "id", "unit")
        people = sorted({person.upper() for person, _ in units} | set(clips))
        layout.need(clips, "Videos_LeftCamera/LeftVideo<person>_comp.avi")
        layout.need(units, "ActionUnit_Labels/<person>/<person>_au<k>.txt")
        lacking = [f"{p}/{p}_au{u}.txt" for p in people if units for u in UNITS if (p, str(u)) not in units]
        layout.missing += lacking
        found = layout.tree.match(r"(?P<folder>.*/(?P<id>SN\d+)(?:/.*)?)/[^/]*_lm\.mat")
        points = {m["id"].upper(): m["folder"] for m in found}
        return pd.DataFrame(
            {
                "recording": people,
                "subject": people,
                "split": "all",
                "file": [
                    str(Path(units.get((p, "1"), "")).parent.as_posix()) if units else "" for p in people
                ],
                "file_video": [clips.get(p, "") for p in people],
                "file_landmarks": [points.get(p, "") for p in people],
            }
        )

    def read(self, row: Mapping[str, object]) -> pd.DataFrame:
        """Action units as coders rated them; landmarks where they are there."""
        folder, name = self.root / str(row["file"]), str(row["recording"])
        rated = {f"AU{u:02d}": _rated(folder / f"{name}_au{u}.txt") for u in UNITS}
        lengths = {unit: len(values) for unit, values in rated.items()}
        if len(set(lengths.values())) > 1:
            raise InputError(f"{folder}: action units are rated for different numbers of frames: {lengths}")
        n = len(rated["AU01"])
        rows = pd.DataFrame(
            {"source_frame": np.arange(1, n + 1), "time_s": np.arange(n) * 1.0, "detected": True}
        )
        nothing = pd.DataFrame(index=rows.index)
        aus = au_frames(folder, rows, pd.DataFrame(rated), nothing, name, "human coders (DISFA)")
        table = with_units(aus)
        table.attrs["time"] = "frame number, as no fps is known"
        if not row["file_landmarks"]:
            return table
        return with_points(table, POINTS66, self._points(str(row["file_landmarks"]), n))

    def _points(self, folder: str, n: int) -> np.ndarray:
        """(n, 66, 2): one file a frame; NaN where there is none."""
        out = np.full((n, 66, 2), np.nan, np.float32)
        for path in (self.root / folder).glob("*_lm.mat"):
            named = _LANDMARK_FILE.fullmatch(path.name)
            if named is None:
                raise InputError(f"{path} is called neither <person>_<frame>_lm.mat nor l0<frame>_lm.mat")
            i = int(named["from_0"]) if named["from_0"] else int(named["from_1"]) - 1
            if i >= n:
                continue
            points = read_mat(path, ["pts"])["pts"]
            if points.shape != (66, 2):
                raise InputError(f"{path}: pts has shape {points.shape}, but (66, 2) is needed")
            out[i] = points
        return out


def _rated(path: Path) -> np.ndarray:
    """Intensities 0–5 of one unit: lines of frame,intensity, in order from 1."""
    try:
        table = np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} is not readable as frame,intensity ({str(error).splitlines()[0]})"
        ) from error
    if table.shape[1:] != (2,) or not np.array_equal(table[:, 0], np.arange(1, len(table) + 1)):
        raise InputError(f"{path} must have lines of frame,intensity, with frames 1, 2, 3, …")
    return table[:, 1]
