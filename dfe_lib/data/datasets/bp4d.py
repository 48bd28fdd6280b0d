"""BP4D-Spontaneous (Zhang et al. 2014): elicited emotion, with action units coded by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from dfe_lib.data.adapters.au_frames import au_frames
from dfe_lib.data.adapters.tables import numbers, read_csv
from dfe_lib.data.datasets.base import Dataset, Layout
from dfe_lib.data.datasets.columns import with_units
from dfe_lib.errors import InputError

TASKS = {
    "T1": "happiness", "T2": "sadness", "T3": "surprise", "T4": "embarrassment",
    "T5": "fear", "T6": "physical pain", "T7": "anger", "T8": "disgust",
}  # fmt: skip
_NOT_CODED = 9


class BP4D(Dataset):
    name = "bp4d"
    feeds = frozenset({"aus", "pictures"})
    labels = {"task": f"what was meant to be elicited: {', '.join(TASKS.values())}"}
    defects = (
        "9 in the coding means 'not coded' (out of sight, unsure): it is empty here, and units that are 9 throughout "
        "are left out",
        "only the most expressive part of each task was coded: frames begin at any number, and time_s counts frames "
        "from there",
        "intensities exist for five units only; all others are presences",
        "the task is what was meant to be felt, not what was",
    )
    source_of_layout = (
        "public readers, which agree: AUCoding/[AU_OCC/]<person>_<task>.csv with a line of unit numbers on top and 9 "
        "for what was not coded, AU_INT/AU<nn>/<person>_<task>_AU<nn>.csv without one (frame, intensity), in three "
        "readers; <person>/<task>/<frame>.jpg in a reader of its successor BP4D+"
    )
    partial = "pictures are a download of their own; the coding alone gives FACS rows"

    def scan(self, layout: Layout) -> pd.DataFrame:
        coded = layout.by(r"(?:.*/)?(?P<p>[FM]\d{3})_(?P<t>T\d)\.csv", "p", "t")
        layout.need(coded, "AUCoding/<person>_<task>.csv")
        pictures = layout.by(r"(?:.*/)?(?P<p>[FM]\d{3})/(?P<t>T\d)/\d+\.jpg", "p", "t")
        odd = [f"{p}_{t}" for p, t in coded if t not in TASKS]
        layout.need(not odd, f"tasks T1 to T8 ({', '.join(odd[:3])})")
        if layout.missing:
            return pd.DataFrame()
        rows = [
            {
                "recording": f"{p}_{t}",
                "subject": p,
                "split": "all",
                "task": TASKS[t],
                "file": file,
                "file_pictures": Path(pictures[p, t]).parent.as_posix() if (p, t) in pictures else "",
            }
            for (p, t), file in coded.items()
        ]
        return pd.DataFrame(rows)

    def read(self, row: Mapping[str, object]) -> pd.DataFrame:
        """Presences (``AU12_c``) as coders saw them, and intensities of the units that were rated."""
        path, name = self.root / str(row["file"]), str(row["recording"])
        table = read_csv(path, [], "a BP4D coding of units")
        units = [c for c in table.columns[1:] if c.strip().isdigit()]
        if not units:
            raise InputError(f"{path} has no line of unit numbers on top")
        frame = numbers(table, [table.columns[0]], path)[:, 0]
        coded = pd.DataFrame(numbers(table, units, path), columns=[f"AU{int(u):02d}" for u in units])
        coded = coded.mask(coded == _NOT_CODED).dropna(axis=1, how="all")
        rows = pd.DataFrame({"source_frame": frame.astype(int), "time_s": frame - frame[0]})
        rows["detected"] = coded.notna().any(axis=1)
        rated = self._rated(path, name, frame)
        aus = au_frames(
            path, rows, pd.DataFrame(index=rows.index), coded.fillna(0.0), name, "human coders (BP4D)"
        )
        out = with_units(aus)
        presence = coded.astype(np.float32).add_suffix("_c")
        out[presence.columns] = presence.to_numpy()
        out.attrs["time"] = "frame number, as no fps is known"
        return out.assign(**rated)

    def _rated(self, path: Path, name: str, frame: np.ndarray) -> dict[str, np.ndarray]:
        """Intensity columns of the files ``AU_INT/AU06/<name>_AU06.csv`` beside the coding, aligned by frame."""
        out = {}
        for file in sorted(path.parent.parent.glob(f"AU_INT/AU*/{name}_AU*.csv")):
            try:
                values = np.loadtxt(file, delimiter=",", ndmin=2)
            except (OSError, ValueError) as error:
                reason = str(error).splitlines()[0]
                raise InputError(f"{file} is not readable as frame,intensity ({reason})") from error
            if values.shape[1:] != (2,) or len(np.unique(values[:, 0])) < len(values):
                raise InputError(f"{file} must have lines of frame,intensity, each frame once")
            at = pd.Index(values[:, 0]).get_indexer(frame)
            rated = np.where(at >= 0, values[at, 1], np.nan)
            out[file.stem.rsplit("_", 1)[1]] = np.where(rated == _NOT_CODED, np.nan, rated).astype(np.float32)
        return out
