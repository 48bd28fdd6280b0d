"""First pass of an extraction: what is seen in each frame, as rows of one size in a file.

A row holds the frame's time, its number of faces, and of the largest face the landmarks and what the texture around
them looks like (:meth:`dfe_lib.face.picture.PictureRegressor.looks`). Nothing here depends on what the recording calls
neutral, so parts of a recording can be seen apart from each other; the second pass needs them all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dfe_lib import frames
from dfe_lib.face.landmarks import Detection, Landmarker
from dfe_lib.face.picture import PictureRegressor
from dfe_lib.face.texture import CROP, crop
from dfe_lib.face.video import Frame, Segment, ahead
from dfe_lib.face.video import frames as decode

# Crops at a time: the texture's directions, 4 MB of them, are not fetched anew for each frame.
LOOKED_AT = 64
_POINTS = (frames.N_LANDMARKS, 3)
_SIZE = frames.N_LANDMARKS * 3
_NOTHING = np.full(_POINTS, np.nan, np.float32), np.zeros((CROP, CROP), np.uint8)


@dataclass(frozen=True)
class Seen:
    """What one pass over a segment has left: how many rows, and what tells that the next segment fits on to it.

    ``first`` marks the segment's first frame, ``after`` the one that follows its last; None where there is none.
    """

    rows: int
    first: str | None
    after: str | None


def row_type(regressor: PictureRegressor) -> np.dtype:
    """What is kept of one frame; ``face`` is landmarks (478 × 3 px) and looks side by side, NaN without a face."""
    width = _SIZE + regressor.texture.shape[1]
    return np.dtype([("time_s", "<f8"), ("n_faces", "<i2"), ("face", "<f4", (width,))])


def parted(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks (n, 478, 3) and looks (n, t) of (n, 1434 + t) ``face``."""
    faces = np.ascontiguousarray(faces)  # not strewn over the rows
    return faces[:, :_SIZE].reshape(-1, *_POINTS), faces[:, _SIZE:]


def detect(
    path: str | Path,
    segment: Segment,
    kept: BinaryIO,
    landmarker: Landmarker,
    regressor: PictureRegressor,
    mirrored: bool = False,
    overlap: bool = True,
    tick: Callable[[int], object] | None = None,
) -> Seen:
    """Decode a segment, find the face in each frame, and add its rows to ``kept``.

    Parameters
    ----------
    overlap : decode and detect in threads of their own, ahead of what is looked at; the rows are the same without.
    tick : called with the number of frames that were done.

    Raises
    ------
    InputError : the file cannot be used.
    """
    marks: list[str | None] = [None, None]
    early = ahead if overlap else iter

    def pictures() -> Iterator[Frame]:
        for frame in early(islice(decode(path, since=segment.since, threads=overlap), segment.most)):
            if segment.end is not None and frame.pts is not None and frame.pts >= segment.end:
                marks[1] = _mark(frame)
                return
            if marks[0] is None:
                marks[0] = _mark(frame)
            yield frame

    def detected() -> Iterator[tuple[Frame, np.ndarray, Detection]]:
        for frame in pictures():
            rgb = frame.rgb[:, ::-1] if mirrored else frame.rgb
            yield frame, rgb, landmarker.detect(rgb)

    def cropped() -> Iterator[tuple[float, int, np.ndarray, np.ndarray]]:
        for frame, rgb, found in early(detected()):
            face = _NOTHING if found.landmarks is None else (found.landmarks, crop(rgb, found.landmarks))
            yield frame.time_s, found.n_faces, *face

    faces, n = cropped(), 0
    while part := list(islice(faces, LOOKED_AT)):
        time_s, n_faces, landmarks, crops = map(np.stack, zip(*part, strict=True))
        rows = np.empty(len(part), row_type(regressor))
        rows["time_s"], rows["n_faces"] = time_s, n_faces
        rows["face"] = np.hstack([landmarks.reshape(len(part), _SIZE), regressor.looks(crops, landmarks)])
        kept.write(rows.tobytes())
        n += len(part)
        if tick is not None:
            tick(len(part))
    return Seen(n, *marks)


def _mark(frame: Frame) -> str:
    """What tells a frame from every other one: its time and all of its picture."""
    picture = hashlib.blake2b(np.ascontiguousarray(frame.rgb), digest_size=16)
    return f"{frame.pts} {frame.rgb.shape} {picture.hexdigest()}"


def fit_together(parts: Sequence[Seen]) -> bool:
    """Whether each segment begins with the very frame that the one before it ended at."""
    return all(a.after == b.first for a, b in zip(parts, parts[1:], strict=False))


def read_rows(files: Iterable[tuple[BinaryIO, int]], layout: np.dtype, size: int) -> Iterator[np.ndarray]:
    """The rows of several files one after the other, ``size`` at a time wherever one file ends.

    Parameters
    ----------
    files : each with the number of its rows, which stand at its beginning.
    """
    held: list[np.ndarray] = []
    for file, left in files:
        file.seek(0)
        while left:
            some = min(left, size - sum(map(len, held)))
            held.append(np.frombuffer(file.read(some * layout.itemsize), layout))
            left -= some
            if sum(map(len, held)) == size:
                yield np.concatenate(held)
                held = []
    if held:
        yield np.concatenate(held)
