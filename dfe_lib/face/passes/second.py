"""Second pass of an extraction: from the rows of the first to the frame table, part by part.

A frame is measured against the recording's own neutral face, so this starts when all frames are seen. It reads the rows
again and again from disk; memory does not grow with the length of the recording (but for some 5 MB a minute where ψ is
smoothed, which needs all of it at once).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from dfe_lib import __version__, frames
from dfe_lib.data.access import of_path
from dfe_lib.errors import ConfigError, DFEError, InputError
from dfe_lib.face.align import align
from dfe_lib.face.passes.first import parted, read_rows, row_type
from dfe_lib.face.passes.sampling import EvenSample
from dfe_lib.face.picture import Neutral, PictureRegressor
from dfe_lib.face.regressor import NEUTRAL_SAMPLE
from dfe_lib.face.temporal import Kalman, OneEuro, describe, settings_of, smooth_psi
from dfe_lib.face.video import probe
from dfe_lib.space import ICT53

PART = 512  # rows at a time, 3 MB of landmarks: enough to fill the matrix products, little to hold
ESTIMATED, POPULATION = "estimated", "population"
# What ψ was told from; the texture needs frames of a neutral face to compare with.
PICTURE, LANDMARKS = "landmarks and registered texture", "landmarks"


@dataclass(frozen=True)
class Extraction:
    """One recording of a batch: where its table is, or why there is none."""

    source: Path
    table: Path | None
    n_frames: int
    n_detected: int
    frames_per_second: float
    error: DFEError | None

    @staticmethod
    def of(source: Path, table: Path, seconds: float) -> Extraction:
        """That of a table which has been written, in so many seconds."""
        rows = frames.read(table, columns=list(frames.KEYS))
        return Extraction(
            source, table, len(rows), int(rows["detected"].sum()), round(len(rows) / seconds, 1), None
        )


@dataclass(frozen=True)
class Telling:
    """How ψ is told from what was seen; each as in :func:`dfe_lib.face.extract.extract`.

    Raises
    ------
    ConfigError : ``neutral`` or ``smooth`` is none of what is allowed.
    """

    recording: str | None = None
    neutral: str = ESTIMATED
    mirrored: bool = False
    smooth: str | None = None
    about: dict | None = None

    def __post_init__(self):
        _ = self.seconds, self.smoothing  # refused before any work

    @property
    def seconds(self) -> tuple[float, float] | None:
        """First and last second of a span like ``"0-1.5"``; None for the words."""
        if self.neutral in (ESTIMATED, POPULATION):
            return None
        span = re.fullmatch(r"(\d+\.?\d*)-(\d+\.?\d*)", self.neutral)
        if not span or float(span[1]) > float(span[2]):
            raise ConfigError(
                f"neutral is '{ESTIMATED}', '{POPULATION}', or the seconds of a neutral face like '0-1.5'; got "
                f"'{self.neutral}'"
            )
        return float(span[1]), float(span[2])

    @property
    def smoothing(self) -> OneEuro | Kalman | None:
        return None if self.smooth is None else settings_of(self.smooth)


def tables(
    path: Path,
    files: Callable[[], Iterable[tuple[BinaryIO, int]]],
    regressor: PictureRegressor,
    telling: Telling,
) -> Iterator[pd.DataFrame]:
    """The frame table of a recording, in parts of ``PART`` rows.

    Parameters
    ----------
    path : of the recording.
    files : gives the files of its rows, each with their number, whenever it is called: they are read several times.

    Raises
    ------
    InputError : no face in the seconds called neutral.
    """

    def blocks() -> Iterator[np.ndarray]:
        return read_rows(files(), row_type(regressor), PART)

    own = _neutral(path, blocks(), regressor, telling)
    attrs = _attrs(path, regressor, telling) | {"expression": LANDMARKS if own.look is None else PICTURE}
    smoothed = None
    if telling.smoothing is not None:
        time_s = np.concatenate([block["time_s"] for block in blocks()])
        every = [regressor.express(*parted(block["face"]), own) for block in blocks()]
        psi, sd = (np.concatenate(values) for values in zip(*every, strict=True))
        smoothed = smooth_psi(time_s, psi, telling.smoothing, sd)
    start = 0
    for block in blocks():
        part = _described(telling.recording or path.stem, start, block, regressor, own)
        if smoothed is not None:
            names = list(part.columns)
            part = frames.with_psi(part, smoothed[start : start + len(block)], ICT53.names)[names]
        start += len(block)
        part.attrs = dict(attrs)
        yield part


def _attrs(path: Path, regressor: PictureRegressor, telling: Telling) -> dict:
    clip, about = probe(path), telling.about
    if about is None and (placed := of_path(path)) is not None:
        # It may not be passed on, wherever it goes.
        about = dict(zip(("dataset", "access"), placed, strict=True))
    attrs = {
        "space": ICT53.name,
        "neutral": regressor.landmarks.NEUTRAL if telling.neutral == ESTIMATED else telling.neutral,
        "mirrored": telling.mirrored,
        "source": path.name,
        "width": clip.width,
        "height": clip.height,
        "rate": clip.rate,
        "dfe_version": __version__,
        **(about or {}),
    }
    if telling.smoothing is not None:
        attrs["smoothing"] = describe(telling.smoothing)
    return attrs


def _neutral(
    path: Path, blocks: Iterable[np.ndarray], regressor: PictureRegressor, telling: Telling
) -> Neutral:
    """The person's neutral face, told by an even sample of the frames that show one."""
    sample = EvenSample(NEUTRAL_SAMPLE, row_type(regressor)["face"].shape)
    seconds, lasts = telling.seconds, 0.0
    for block in blocks:
        faces, time_s = block["face"], block["time_s"]
        wanted = np.isfinite(faces[:, 0])
        if seconds is not None:
            wanted &= (seconds[0] <= time_s) & (time_s <= seconds[1])
        for row in faces[wanted]:
            sample.add(row)
        lasts = time_s[-1]
    chosen = sample.rows()
    if seconds is not None and not len(chosen):
        raise InputError(
            f"{path} shows no face in the seconds {telling.neutral} that are called neutral (it lasts {lasts:.1f} s); "
            "give others, or leave the neutral to be estimated"
        )
    if telling.neutral == POPULATION:
        chosen = chosen[:0]  # nor is there a texture to compare with
    told = None if seconds is None else np.ones(len(chosen), bool)
    return regressor.estimate_neutral(*parted(chosen), told)


def _described(
    recording: str, start: int, block: np.ndarray, regressor: PictureRegressor, own: Neutral
) -> pd.DataFrame:
    """Pose and ψ of one block; ``own`` is the recording's neutral."""
    landmarks, looks = parted(block["face"])
    pose = align(landmarks)
    columns = np.column_stack([pose.angles, pose.scale, pose.translation]).T
    table = frames.frame_table(
        recording,
        block["time_s"],
        np.isfinite(pose.scale),
        block["n_faces"].astype(np.int8),
        landmarks,
        **dict(zip(frames.POSE, columns, strict=True)),
    )
    table["frame"] += np.int32(start)
    psi, sd = regressor.express(landmarks, looks, own)
    table = frames.with_psi(table, psi, ICT53.names)
    return frames.with_psi_sd(table, sd, ICT53.names)
