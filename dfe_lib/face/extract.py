"""From a video or photograph to a frame table: landmarks, head pose and expression coefficients."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from dfe_lib import __version__, frames
from dfe_lib.errors import DFEError
from dfe_lib.face.align import align
from dfe_lib.face.landmarks import Landmarker
from dfe_lib.face.regressor import ExpressionRegressor
from dfe_lib.face.video import frames as decode
from dfe_lib.face.video import probe
from dfe_lib.space import ICT53


@dataclass(frozen=True)
class Extraction:
    """One recording of a batch: where its table is, or why there is none."""

    source: Path
    table: Path | None
    n_frames: int
    n_detected: int
    frames_per_second: float
    error: DFEError | None


def extract(
    path: str | Path,
    recording: str | None = None,
    landmarker: Landmarker | None = None,
    regressor: ExpressionRegressor | None = None,
    max_frames: int | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Decode, detect, align and regress one video or photograph.

    Parameters
    ----------
    path : video (anything PyAV decodes) or photograph.
    recording : its name in the table; by default the file's name without suffix.
    landmarker, regressor : to share one across calls; by default fresh and shipped ones.
    max_frames : stop after so many frames.
    progress : show a progress bar.

    Returns
    -------
    Frame table (see :mod:`dfe_lib.frames`), one row per decoded frame, with landmarks, pose and ψ of the largest
    face. ``attrs`` says how it was made: size, rate, versions, neutral, frames per second of this extraction.

    Raises
    ------
    InputError : the file cannot be used.
    AssetError : the FaceLandmarker model is not at hand.

    Examples
    --------
    >>> table = extract("clip.mp4")                                   # doctest: +SKIP
    >>> table.loc[table.detected, "psi_jawOpen"].max()                # doctest: +SKIP
    """
    path = Path(path)
    clip = probe(path)
    regressor = regressor or ExpressionRegressor.load()
    own = landmarker is None
    landmarker = landmarker or Landmarker()
    started = time.perf_counter()
    times, counts, found = [], [], []
    try:
        total = clip.n_frames or None
        bar = tqdm(decode(path), total=total, desc=path.name, unit="frame", disable=not progress, leave=False)
        for frame in bar:
            seen = landmarker.detect(frame.rgb)
            times.append(frame.time_s)
            counts.append(seen.n_faces)
            found.append(
                seen.landmarks if seen.landmarks is not None else np.full((478, 3), np.nan, np.float32)
            )
            if max_frames is not None and len(times) >= max_frames:
                break
    finally:
        if own:
            landmarker.close()
    points = np.stack(found)
    table = describe(recording or path.stem, np.array(times), points, np.array(counts), regressor)
    elapsed = time.perf_counter() - started
    table.attrs |= {
        "source": path.name,
        "width": clip.width,
        "height": clip.height,
        "rate": clip.rate,
        "dfe_version": __version__,
        "frames_per_second": round(len(table) / elapsed, 1),
    }
    return table


def describe(
    recording: str,
    time_s: np.ndarray,
    landmarks: np.ndarray,
    n_faces: np.ndarray | None = None,
    regressor: ExpressionRegressor | None = None,
    neutral: np.ndarray | None = None,
) -> pd.DataFrame:
    """Frame table from landmarks that are there already (a track, or another tool's MediaPipe mesh).

    Parameters
    ----------
    landmarks : (n, 478, 3) float32 pixels, NaN rows where no face was found.
    neutral : (n,) bool, frames known to be neutral; by default the neutral is estimated from the recording.
    """
    regressor = regressor or ExpressionRegressor.load()
    detected = np.isfinite(landmarks).all(axis=(1, 2))
    pose = align(landmarks)
    psi = regressor.predict(landmarks, neutral=neutral)
    columns = np.column_stack([pose.angles, pose.scale, pose.translation])
    table = frames.frame_table(
        recording,
        time_s,
        detected,
        n_faces,
        landmarks,
        attrs={
            "space": ICT53.name,
            "neutral": "frames marked neutral" if neutral is not None else regressor.NEUTRAL,
        },
        **dict(zip(frames.POSE, columns.T, strict=True)),
    )
    return frames.with_psi(table, psi, ICT53.names)


def extract_many(
    paths: Sequence[str | Path], out: str | Path, progress: bool = False
) -> Iterator[Extraction]:
    """Extract each file into ``out/<name>.parquet``, one outcome as each is done.

    A file that fails leaves the others untouched.

    Raises
    ------
    InputError : two inputs would be written to the same table, or ``out`` is a file; before any work.
    AssetError : the FaceLandmarker model is not at hand.
    """
    return _extract_each([Path(p) for p in paths], frames.one_table_each(paths, out), progress)


def _extract_each(paths: list[Path], targets: list[Path], progress: bool) -> Iterator[Extraction]:
    regressor = ExpressionRegressor.load()
    with Landmarker() as landmarker:
        for path, target in zip(paths, targets, strict=True):
            try:
                table = extract(path, landmarker=landmarker, regressor=regressor, progress=progress)
                frames.write(table, target)
            except DFEError as error:
                yield Extraction(path, None, 0, 0, 0.0, error)
                continue
            rate = table.attrs["frames_per_second"]
            yield Extraction(path, target, len(table), int(table["detected"].sum()), rate, None)
