"""Where the pictures of a recording's frames come from: drawn for simulated people, cut out of video for real ones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from PIL import Image

from dfe_lib import frames
from dfe_lib.analysis.representations.sequence import Seen
from dfe_lib.data.cohort import Cohort
from dfe_lib.errors import InputError, choices
from dfe_lib.face import video
from dfe_lib.face.portrait import CENTRE_MM, SIDE_MM, portraits

_POSE = ["pose_pitch", "pose_yaw", "pose_roll"]
STEP = 0.2  # seconds between frames of a clip: 16 of them span a display


class Pictures(Protocol):
    """Gives the pictures of some frames; ``source`` says in a few words what they are."""

    source: str

    def fingerprint(self) -> str:
        """The same for the same pictures of the same frames: features are kept under it."""
        ...

    def __call__(self, table: pd.DataFrame, size: int) -> np.ndarray:
        """(k, size, size, 3) uint8 RGB of the rows of a frame table, which are of one recording, in order of time."""
        ...


def picture_frames(pictures: Pictures, table: pd.DataFrame, size: int) -> np.ndarray:
    """(k, size, size, 3) of rows in any order and with repeats, each frame taken once; rows are of one recording."""
    _, first, back = np.unique(table["frame"].to_numpy(), return_index=True, return_inverse=True)
    return pictures(table.iloc[first], size)[back]


class Rendered:
    """Drawn pictures of simulated people (:mod:`dfe_lib.face.portrait`): their ψ, pose, face and skin.

    Parameters
    ----------
    cohort : with ``people``. Simulated without the noise of extraction it gives the pictures that a camera would take;
        with it, faces that tremble.

    Raises
    ------
    InputError : a cohort that does not say what its people look like.
    """

    source = "rendered, simulated people"

    def __init__(self, cohort: Cohort):
        if cohort.people is None:
            raise InputError(
                "this cohort has no pictures: its people are not simulated; give pictures=Crops(videos), or leave "
                "the Masked Autoencoders out"
            )
        people = cohort.people.set_index("subject")
        modes = [c for c in people.columns if c.startswith("identity_")]
        who = cohort.recordings.set_index("recording")["subject"]
        self._looks = people.loc[who, [*modes, "skin"]].set_axis(who.index).astype(np.float32)

    def fingerprint(self) -> str:
        looks = pd.util.hash_pandas_object(self._looks.sort_index()).to_numpy()
        return "rendered-1-" + hashlib.sha256(looks.tobytes()).hexdigest()

    def __call__(self, table: pd.DataFrame, size: int) -> np.ndarray:
        look = self._looks.loc[table["recording"].iloc[0]].to_numpy()
        pose = table[_POSE].to_numpy() if set(_POSE) <= set(table.columns) else None
        return portraits(frames.psi(table), look[:-1], look[-1], pose, size)


class Crops:
    """Faces cut out of the videos that frame tables were extracted from, by the pose in the table.

    The same square about the head as in drawn pictures. Videos are decoded from the start, once per call.

    Parameters
    ----------
    videos : recording → file.
    """

    source = "crops of video"

    def __init__(self, videos: Mapping[str, str | Path]):
        self.videos = {str(name): Path(path) for name, path in videos.items()}

    def fingerprint(self) -> str:
        files = [(name, str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for name, path in
                 sorted(self.videos.items()) if path.is_file()]  # fmt: skip
        return "crops-1-" + hashlib.sha256(repr(files).encode()).hexdigest()

    def __call__(self, table: pd.DataFrame, size: int) -> np.ndarray:
        name = str(table["recording"].iloc[0])
        if name not in self.videos:
            raise InputError(f"no video was given for a recording: {choices(name, self.videos)}")
        frames.check(table, ["pose_scale", "pose_tx", "pose_ty"])
        wanted = table.set_index("frame")[["pose_scale", "pose_tx", "pose_ty"]]
        found: dict[int, np.ndarray] = {}
        for frame in video.frames(self.videos[name]):
            if frame.index in wanted.index:
                found[frame.index] = _cut(frame.rgb, *wanted.loc[frame.index], size)
                if len(found) == len(wanted):
                    break
        lacking = wanted.index.difference(pd.Index(list(found)))
        if len(lacking):
            raise InputError(
                f"{self.videos[name]} ends before frame {lacking[0]} of recording '{name}'; it is another video than "
                "the one that was extracted"
            )
        return np.stack([found[i] for i in table["frame"]])


def _cut(rgb: np.ndarray, scale: float, x: float, y: float, size: int) -> np.ndarray:
    half = SIDE_MM / 2 * scale
    y = y - CENTRE_MM * scale
    picture = Image.fromarray(np.ascontiguousarray(rgb))
    box = (round(x - half), round(y - half), round(x + half), round(y + half))
    return np.asarray(picture.crop(box).resize((size, size), Image.Resampling.BOX), dtype=np.uint8)


def clip_rows(seen: Seen, clips: int, length: int, step: float = STEP) -> np.ndarray:
    """Rows of ``clips`` clips of ``length`` frames in each recording, (r · clips · length,).

    Clips are evenly spread, each frame is the seen one next to its time; in a recording that is shorter than a clip the
    clip is as long as the recording.
    """
    out = []
    for first, count in zip(seen.starts, seen.count, strict=True):
        time = seen.time[first : first + count]
        span = min(step * (length - 1), time[-1] - time[0])
        start = time[0] + (time[-1] - time[0] - span) * (np.arange(clips) + 0.5) / clips
        wanted = (start[:, None] + np.linspace(0, span, length)).ravel()
        after = (
            np.clip(np.searchsorted(time, wanted), 1, max(count - 1, 1))
            if count > 1
            else np.zeros(len(wanted), int)
        )
        before = np.maximum(after - 1, 0)
        out.append(first + np.where(wanted - time[before] <= time[after] - wanted, before, after))
    return np.concatenate(out)
