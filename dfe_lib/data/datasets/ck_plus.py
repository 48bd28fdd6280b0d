"""CK+ (Lucey et al. 2010): posed displays from neutral to apex, as sequences of pictures with 68 landmarks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from dfe_lib import frames
from dfe_lib.data.datasets.base import Dataset, Layout
from dfe_lib.data.datasets.columns import N_POINTS, POINTS_2D, with_points
from dfe_lib.errors import InputError

EMOTIONS = ("neutral", "anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")


class CKPlus(Dataset):
    name = "ck-plus"
    feeds = frozenset({"pictures", "landmarks68_2d"})
    labels = {
        "emotion": f"of the last picture: {', '.join(EMOTIONS)} (0–7 in the files); empty where none was agreed on",
        "units": "action units of the last picture as coded, like 1+2+25; with intensity after ':' where one was given",
    }
    defects = (
        "each sequence begins neutral and ends at the apex: its first picture is the neutral face",
        "not every sequence has an emotion: the files of the others are just not there",
        "intensity 0 in the FACS files means 'not rated', not 'absent'",
        "the files keep no times: time_s counts pictures",
    )
    source_of_layout = (
        "public readers, which agree: cohn-kanade-images, Landmarks, Emotion, FACS / S<nnn> / <mmm> / "
        "S<nnn>_<mmm>_<k>… in ten of them; unpacked by some into folders of their own (Landmarks/Landmarks, "
        "Emotion_labels/Emotion), read as well"
    )

    def scan(self, layout: Layout) -> pd.DataFrame:
        name = r"(?:.*/)?(?P<kind>{})/(?P<s>S\d+)/(?P<q>\d+)/S\d+_\d+_\d+{}"
        pictures = layout.by(name.format("cohn-kanade-images", r"\.(?:png|jpe?g)"), "s", "q")
        points = layout.by(name.format("Landmarks", r"_landmarks\.txt"), "s", "q")
        emotions = layout.by(name.format("Emotion(?:_labels)?", r"_emotion\.txt"), "s", "q")
        units = layout.by(name.format("FACS(?:_labels)?", r"_facs\.txt"), "s", "q")
        layout.need(pictures, "cohn-kanade-images/S<nnn>/<mmm>/S<nnn>_<mmm>_<k>.png")
        layout.need(points, "Landmarks/S<nnn>/<mmm>/S<nnn>_<mmm>_<k>_landmarks.txt")
        layout.need(emotions, "Emotion/S<nnn>/<mmm>/S<nnn>_<mmm>_<k>_emotion.txt")
        rows = []
        for key in sorted({*pictures, *points}):
            rows.append(
                {
                    "recording": f"{key[0]}_{key[1]}",
                    "subject": key[0],
                    "split": "all",
                    "emotion": _emotion(layout, emotions.get(key)),
                    "units": _units(layout, units.get(key)),
                    "file": Path(points[key]).parent.as_posix() if key in points else "",
                    "file_pictures": Path(pictures[key]).parent.as_posix() if key in pictures else "",
                }
            )
        return pd.DataFrame(rows)

    def read(self, row: Mapping[str, object]) -> pd.DataFrame:
        folder = self.root / str(row["file"])
        files = sorted(folder.glob("*_landmarks.txt"))
        points = np.stack([_points(path) for path in files])
        seen = np.ones(len(points), bool)
        attrs = {"tool": "active appearance model (CK+)", "time": "number of the picture, as no fps is known"}
        table = frames.frame_table(str(row["recording"]), np.arange(len(points)), seen, seen, attrs=attrs)
        return with_points(table, POINTS_2D, points)


def _numbers(path: Path) -> np.ndarray:
    try:
        if not path.stat().st_size:
            raise ValueError("it is empty")
        return np.loadtxt(path, ndmin=2)
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not readable as numbers ({str(error).splitlines()[0]})") from error


def _points(path: Path) -> np.ndarray:
    values = _numbers(path)
    if values.shape != (N_POINTS, 2) or not np.isfinite(values).all():
        raise InputError(f"{path} has {values.shape} numbers, but {N_POINTS} lines of x y are needed")
    return values.astype(np.float32)


def _emotion(layout: Layout, path: str | None) -> str:
    if path is None:
        return ""
    try:
        return EMOTIONS[int(_numbers(layout.tree.root / path)[0, 0])]
    except (InputError, IndexError, ValueError):
        layout.missing.append(f"a number 0–7 in {path}")
        return ""


def _units(layout: Layout, path: str | None) -> str:
    if path is None:
        return ""
    try:
        coded = _numbers(layout.tree.root / path)
        return "+".join(f"{u:g}" + (f":{i:g}" if i else "") for u, i in coded)
    except (InputError, ValueError):
        layout.missing.append(f"lines of unit intensity in {path}")
        return ""
