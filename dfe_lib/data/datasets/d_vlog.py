"""D-Vlog (Yoon et al. 2022): vlogs of people with and without depression, as 68 landmarks about once a second."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.data.adapters.arrays import read_npy
from dfe_lib.data.datasets.base import Dataset, Layout
from dfe_lib.data.datasets.columns import N_POINTS, POINTS_2D, with_points
from dfe_lib.errors import InputError

SPLITS = {"train": "train", "valid": "dev", "test": "test"}
_KINDS = {"depression": 1.0, "normal": 0.0, "1": 1.0, "0": 0.0}
CHANNELS = "channels.csv"


class DVlog(Dataset):
    name = "d-vlog"
    feeds = frozenset({"landmarks68_2d"})
    labels = {
        "depressed": "0 or 1: the video is about the speaker's own depression, as annotators judged it",
        "gender": "as coded in labels.csv",
        "duration": "seconds of the video",
    }
    defects = (
        "961 videos come from 816 channels, and no file that is given out says which: one person may be in two "
        f"folds. A {CHANNELS} of yours (index, channel) makes the channel the subject, and tells one in two folds",
        "the label is of the video (what it is about), not a diagnosis",
        "about one frame a second: no onset, apex or blink can be seen; speed and order of displays mean little",
        "2-D landmarks in pixels only: pose is in them; frames of zeros are taken as without a face (unverified)",
    )
    metric = "weighted F1"
    source_of_layout = "this project's notes (labels.csv, <i>/<i>_visual.npy, interleaved x and y)"

    def scan(self, layout: Layout) -> pd.DataFrame:
        columns = ("index", "label", "duration", "gender", "fold")
        table = layout.table(r"(?:.*/)?labels\.csv", columns, text=("index", "label"))
        arrays = layout.by(r"(?:.*/)?(?P<i>\d+)_visual\.npy", "i")
        layout.need(arrays, "<i>/<i>_visual.npy")
        for column, known in (("label", _KINDS), ("fold", SPLITS)):
            odd = sorted(set(table[column].astype(str).str.lower()) - set(known))
            layout.need(
                not odd, f"{column} of {', '.join(known)} in labels.csv (it has {', '.join(odd[:3])})"
            )
        if layout.missing:
            return table
        split = table["fold"].str.lower().map(SPLITS)
        return pd.DataFrame(
            {
                "recording": table["index"],
                "subject": _channels(layout, table["index"], split),
                "split": split,
                "depressed": table["label"].str.lower().map(_KINDS),
                "gender": table["gender"].astype(str),
                "duration": pd.to_numeric(table["duration"]),
                "file": table["index"].map(arrays).fillna(""),
            }
        )

    def read(self, row: Mapping[str, object]) -> pd.DataFrame:
        path = self.root / str(row["file"])
        values = read_npy(path)
        if values.ndim != 2 or values.shape[1] != N_POINTS * 2:
            raise InputError(f"{path} has shape {values.shape}, but (frames, {N_POINTS * 2}) is needed")
        points = values.astype(np.float32).reshape(-1, N_POINTS, 2)
        seen = np.isfinite(points).all(axis=(1, 2)) & points.any(axis=(1, 2))
        points[~seen] = np.nan
        attrs = {"tool": "dlib (68 points)", "time": "row number: about one row a second"}
        table = frames.frame_table(str(row["recording"]), np.arange(len(points)), seen, seen, attrs=attrs)
        return with_points(table, POINTS_2D, points)


def _channels(layout: Layout, index: pd.Series, split: pd.Series) -> pd.Series:
    """The channel of each video where the user has found out, else the video itself."""
    if CHANNELS not in layout.tree.files:
        return index
    given = layout.table("channels\\.csv", ("index", "channel"), ("index", "channel")).set_index("index")[
        "channel"
    ]
    subject = index.map(given).fillna(index)
    folds = split.groupby(subject).nunique()
    torn = list(folds.index[folds > 1])
    layout.need(
        not torn, f"every channel in one fold ({', '.join(torn[:3])} is in two: mend labels.csv's folds)"
    )
    return subject
