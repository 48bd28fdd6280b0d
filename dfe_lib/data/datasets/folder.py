"""Folders of the user's own: videos, or what a tool has written, with an optional labels.csv."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from dfe_lib.data.adapters.arkit import read_live_link
from dfe_lib.data.adapters.emoca import read_emoca
from dfe_lib.data.adapters.libreface import read_libreface
from dfe_lib.data.adapters.openface import read_openface
from dfe_lib.data.adapters.pyfeat import feat_aus, read_feat_csv
from dfe_lib.data.datasets.base import VIDEOS, Dataset, Layout
from dfe_lib.data.datasets.columns import POINTS_2D, with_points, with_units
from dfe_lib.data.datasets.openface_points import beside, has_points, read_points

LABELS = "labels.csv"
_GIVEN = ("recording", "subject", "split")


class Folder(Dataset):
    """Any folder of videos."""

    name = "folder"
    feeds = frozenset({"video"})
    pattern = rf"(?P<name>.+)\.(?:{VIDEOS})"
    what = "video"
    defects = (
        "without labels.csv every recording is a subject of its own: where one person has several, write one",
        "recordings are called by the file's name without suffix; where two folders hold the same name, by the path "
        "with __ between its parts",
    )
    columns: ClassVar[
        Mapping[str, str]
    ] = {}  # column by which a file shows what it feeds beside action units
    source_of_layout = (
        "ours: any files below the folder; labels.csv has a column recording, and may have subject, split and "
        "labels"
    )

    def scan(self, layout: Layout) -> pd.DataFrame:
        written = next(layout.tree.match(re.escape(LABELS)), None)
        files = {m["name"]: m[0] for m in layout.tree.match(self.pattern) if m[0].lower() != LABELS}
        layout.need(files, f"any {self.what}")
        stems = [Path(name).name for name in files]
        unique = len(set(stems)) == len(stems)
        names = stems if unique else [name.replace("/", "__") for name in files]
        table = pd.DataFrame({"recording": names, "file": list(files.values())}, dtype="str")
        if written:
            given = layout.table("labels\\.csv", ("recording",), text=("recording", "subject", "split"))
            layout.need(
                given["recording"].notna().all(), f"a name in every row of the column recording of {LABELS}"
            )
            repeated = given["recording"][given["recording"].duplicated()]
            layout.need(
                repeated.empty, f"one row per recording in {LABELS} ({', '.join(repeated[:3])} stands twice)"
            )
            layout.missing += _without_zeros(given["recording"], names)
            if layout.missing:
                return table
            table = table.merge(given, how="outer", on="recording", validate="one_to_one")
            table["file"] = table["file"].fillna("")
            self._told(given)
        for column, default in (("subject", table["recording"]), ("split", "all")):
            table[column] = default if column not in table else table[column].fillna(default)
        return table.drop(columns=[c for c in ("dataset", "available") if c in table])

    def _told(self, given: pd.DataFrame) -> None:
        self.labels = {c: f"column {c} of {LABELS}" for c in given.columns if c not in (*_GIVEN, "dataset")}

    def _open(self) -> None:
        first = next((file for file in self.listed["file"] if file), "")
        if self.columns and first:
            found = {feed for column, feed in self.columns.items() if has_points(self.root / first, column)}
            self.feeds = frozenset({"aus"} | found)
        own = ("recording", "subject", "dataset", "split", "available")
        self.labels = {
            c: f"column {c} of {LABELS}" for c in self.listed if c not in own and not c.startswith("file")
        }
        super()._open()


def _without_zeros(given: pd.Series, names: list[str]) -> list[str]:
    """What to say where spreadsheets have made 1 of 001."""
    known = {name.lstrip("0"): name for name in names if name.startswith("0")}
    lost = [(r, known[r]) for r in given.dropna() if r not in names and r in known]
    if not lost:
        return []
    told, file = lost[0]
    return [f"leading zeros in {LABELS} ({told} is called {file}; {len(lost)} such)"]


class OpenFace(Folder):
    """A folder of CSV files that OpenFace has written."""

    name = "openface"
    feeds = frozenset({"aus", "landmarks68", "landmarks68_2d"})
    columns: ClassVar[Mapping[str, str]] = {"X_67": "landmarks68", "x_67": "landmarks68_2d"}
    pattern = r"(?P<name>.+)\.csv"
    what = "OpenFace CSV"
    defects = (
        *Folder.defects,
        "header names may have leading spaces; frames with success 0 are not detected, whatever stands there",
        "landmarks are there if OpenFace was run with -3Dfp (mm) or -2Dfp (pixels); for ψ of -pdmparams see "
        "`dfe import --from openface`",
    )

    def read(self, row: Mapping[str, object]) -> pd.DataFrame:
        return openface_frames(self.root / str(row["file"]), str(row["recording"]))


def openface_frames(path: Path, recording: str) -> pd.DataFrame:
    """Action units of an OpenFace CSV, and its landmarks where it has them: 3-D, else 2-D."""
    table = with_units(read_openface(path, recording))
    if has_points(path, "X_67"):
        return beside(table, read_points(path))
    return beside(table, read_points(path, axes="xy")) if has_points(path, "x_67") else table


class PyFeat(Folder):
    """A folder of CSV files that Py-Feat has written."""

    name = "pyfeat"
    feeds = frozenset({"aus", "landmarks68_2d"})
    columns: ClassVar[Mapping[str, str]] = {"x_67": "landmarks68_2d"}
    pattern = r"(?P<name>.+)\.csv"
    what = "Py-Feat CSV"
    defects = (
        *Folder.defects,
        "intensities are five times Py-Feat's 0–1, which may be probabilities more than intensities",
        "times are frame numbers: no frame rate is kept; for ψ of the 478-point mesh see `dfe import --from pyfeat`",
        "68 points (pixels) are there in files of versions before the mesh; without them only FACS rows can be had",
    )

    def read(self, row: Mapping[str, object]) -> pd.DataFrame:
        path = self.root / str(row["file"])
        feat = read_feat_csv(path, str(row["recording"]), fps=1.0, mesh=False)
        table = with_units(feat_aus(feat, path))
        if feat.points is None:
            return table
        return with_points(
            table, POINTS_2D, np.where(table["detected"].to_numpy()[:, None, None], feat.points, np.nan)
        )


class LibreFace(Folder):
    """A folder of CSV files that LibreFace has written."""

    name = "libreface"
    feeds = frozenset({"aus"})
    pattern = r"(?P<name>.+)\.csv"
    what = "LibreFace CSV"

    def read(self, row: Mapping[str, object]) -> pd.DataFrame:
        return with_units(read_libreface(self.root / str(row["file"]), str(row["recording"])))


class LiveLink(Folder):
    """A folder of CSV files of Live Link Face (ARKit)."""

    name = "livelink"
    feeds = frozenset({"psi"})
    pattern = r"(?P<name>.+)\.csv"
    what = "Live Link Face CSV"
    defects = (
        *Folder.defects,
        "browInnerUp and cheekPuff have no sides in ARKit: both sides get the same number",
    )

    def psi(self, recording: str) -> pd.DataFrame:
        return self.frames(recording)

    def has_psi(self, recording: str) -> bool:
        return True

    def read(self, row: Mapping[str, object]) -> pd.DataFrame:
        return read_live_link(self.root / str(row["file"]), str(row["recording"]))


class Emoca(Folder):
    """A folder with one result folder of EMOCA or DECA per recording."""

    name = "emoca"
    feeds = frozenset({"psi"})
    pattern = r"(?P<name>[^/]+)/.*exp\.npy"
    what = "<recording>/…/<image>/exp.npy"
    defects = (
        "one folder per recording below the root; its images are put in natural order",
        "times are frame numbers: EMOCA keeps no frame rate",
    )

    def scan(self, layout: Layout) -> pd.DataFrame:
        table = super().scan(layout)
        known = table["file"] != ""
        table.loc[known, "file"] = table.loc[known, "file"].str.split("/").str[0]
        return table

    def psi(self, recording: str) -> pd.DataFrame:
        return self.frames(recording)

    def has_psi(self, recording: str) -> bool:
        return True

    def read(self, row: Mapping[str, object]) -> pd.DataFrame:
        return read_emoca(self.root / str(row["file"]), recording=str(row["recording"]))
