"""From a video or photograph to a frame table: landmarks, head pose and expression coefficients.

In two passes, because a frame is measured against the recording's own neutral face: the first decodes, detects and
keeps landmarks and what the picture shows around them in a file without a name; the second adds pose and ψ and hands
the table on in parts. Memory does not grow with the length of the recording (but for some 5 MB a minute where ψ is
smoothed, which needs all of it at once).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import numpy as np
import pandas as pd

from dfe_lib import __version__, frames
from dfe_lib.data.access import of_path
from dfe_lib.errors import ConfigError, DFEError, InputError
from dfe_lib.face.align import align
from dfe_lib.face.landmarks import Detection, Landmarker
from dfe_lib.face.picture import Neutral, PictureRegressor
from dfe_lib.face.regressor import NEUTRAL_SAMPLE
from dfe_lib.face.sampling import EvenSample
from dfe_lib.face.temporal import Kalman, OneEuro, describe, settings_of, smooth_psi
from dfe_lib.face.texture import CROP, crop
from dfe_lib.face.video import Frame, ahead, probe
from dfe_lib.face.video import frames as decode
from dfe_lib.progress import bar as progress_bar
from dfe_lib.space import ICT53

PART = 512  # rows at a time, 3 MB of landmarks: enough to fill the matrix products, little to hold
ESTIMATED, POPULATION = "estimated", "population"
# What ψ was told from; the texture needs frames of a neutral face to compare with.
PICTURE, LANDMARKS = "landmarks and registered texture", "landmarks"
_LOOKED_AT = (
    64  # crops at a time: the texture's directions, 4 MB of them, are not fetched anew for each frame
)
_POINTS = (frames.N_LANDMARKS, 3)
_SIZE = frames.N_LANDMARKS * 3


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
    regressor: PictureRegressor | None = None,
    max_frames: int | None = None,
    progress: bool = False,
    neutral: str = ESTIMATED,
    mirrored: bool = False,
    smooth: str | None = None,
) -> pd.DataFrame:
    """Decode, detect, align and regress one video or photograph.

    Parameters
    ----------
    path : video (anything PyAV decodes) or photograph.
    recording : its name in the table; by default the file's name without suffix.
    landmarker, regressor : to share one across calls; by default fresh and shipped ones.
    max_frames : stop after so many frames.
    progress : show a progress bar.
    neutral : what ψ = 0 means. ``"estimated"``: the person's neutral face, estimated from the recording.
        ``"0-1.5"``: the face in these seconds, which are known to be neutral. ``"population"``: everybody's mean.
    mirrored : the file shows a mirror image, as selfie cameras write it. Its pictures are mirrored back first, so
        that left is the subject's own left; landmarks are those of the picture mirrored back.
    smooth : ``"kalman"`` or ``"one-euro"``: smooth ψ (see :mod:`dfe_lib.face.temporal`); by default it is as measured.

    Returns
    -------
    Frame table (see :mod:`dfe_lib.frames`), one row per decoded frame, with landmarks, pose, ψ and its standard
    deviation of the largest face. ``attrs`` says how it was made: size, rate, versions, neutral, mirrored, smoothing,
    whether ψ is told from the picture or from landmarks alone, frames per second of this extraction.

    Raises
    ------
    InputError : the file cannot be used, or shows no face in the seconds called neutral.
    ConfigError : ``neutral`` or ``smooth`` is none of the above.
    AssetError : the FaceLandmarker model is not at hand.

    Examples
    --------
    >>> table = extract("clip.mp4")                                   # doctest: +SKIP
    >>> table.loc[table.detected, "psi_jawOpen"].max()                # doctest: +SKIP
    """
    shared = (recording, landmarker, regressor)
    parts = list(_parts(path, None, *shared, max_frames, progress, neutral, mirrored, smooth))
    table = pd.concat(parts, ignore_index=True)
    table.attrs = parts[-1].attrs
    return table


def extract_to(path: str | Path, target: str | Path, **options) -> Extraction:
    """The table of :func:`extract`, written to ``target`` part by part: for recordings of any length.

    Parameters
    ----------
    target : a .parquet file; complete under its name, or not there at all.
    options : as in :func:`extract`; and ``about``, a dictionary that is added to the table's ``attrs``.

    Raises
    ------
    As :func:`extract`, and InputError where ``target`` cannot be written.
    """
    path, target = Path(path), Path(target)
    probe(path)  # before a folder is made for it
    frames.write_parts(_parts(path, target.parent, **options), target)
    table = frames.read(target, columns=list(frames.KEYS))
    rate = table.attrs["frames_per_second"]
    return Extraction(path, target, len(table), int(table["detected"].sum()), rate, None)


def extract_many(
    paths: Sequence[str | Path], out: str | Path, progress: bool = False, **options
) -> Iterator[Extraction]:
    """Extract each file into ``out/<name>.parquet``, one outcome as each is done.

    A file that fails leaves the others untouched.

    Parameters
    ----------
    options : as in :func:`extract`, the same for every file.

    Raises
    ------
    InputError : two inputs would be written to the same table, or ``out`` is a file; before any work.
    ConfigError : ``neutral`` or ``smooth`` is none of what :func:`extract` allows; before any work.
    AssetError : the FaceLandmarker model is not at hand.
    """
    _neutral_seconds(options.get("neutral", ESTIMATED))
    _smoothing(options.get("smooth"))
    targets = frames.one_table_each(paths, out)
    return _extract_each([Path(p) for p in paths], targets, {"progress": progress, **options})


def _extract_each(paths: list[Path], targets: list[Path], options: dict) -> Iterator[Extraction]:
    with Landmarker() as landmarker:
        for path, target in zip(paths, targets, strict=True):
            try:
                yield extract_to(path, target, landmarker=landmarker, **options)
            except DFEError as error:
                yield Extraction(path, None, 0, 0, 0.0, error)


def _parts(
    path: str | Path,
    folder: Path | None = None,
    recording: str | None = None,
    landmarker: Landmarker | None = None,
    regressor: PictureRegressor | None = None,
    max_frames: int | None = None,
    progress: bool = False,
    neutral: str = ESTIMATED,
    mirrored: bool = False,
    smooth: str | None = None,
    about: dict | None = None,
) -> Iterator[pd.DataFrame]:
    """The table in parts of ``PART`` rows, the landmarks meanwhile in a file without a name in ``folder``."""
    path = Path(path)
    if about is None and (placed := of_path(path)) is not None:
        # It may not be passed on, wherever it goes.
        about = dict(zip(("dataset", "access"), placed, strict=True))
    seconds, smoothing = _neutral_seconds(neutral), _smoothing(smooth)
    if max_frames is not None and max_frames < 1:
        raise InputError(f"max_frames is 1 or more, or None for all; got {max_frames}")
    clip = probe(path)
    regressor = regressor or PictureRegressor.load()
    attrs = {
        "space": ICT53.name,
        "neutral": regressor.landmarks.NEUTRAL if neutral == ESTIMATED else neutral,
        "mirrored": mirrored,
        "source": path.name,
        "width": clip.width,
        "height": clip.height,
        "rate": clip.rate,
        "dfe_version": __version__,
        **(about or {}),
    }
    if smoothing is not None:
        attrs["smoothing"] = describe(smoothing)
    given = landmarker is not None
    with nullcontext(landmarker) if given else Landmarker() as landmarker, TemporaryFile(dir=folder) as kept:
        started = time.perf_counter()
        pictures = progress_bar(
            ahead(islice(decode(path), max_frames)),
            total=clip.n_frames or None,
            desc=path.name,
            unit="frame",
            show=progress,
            leave=False,
        )
        time_s, n_faces, sample = _detect(pictures, landmarker, regressor, kept, mirrored, seconds)
        if seconds is not None and not len(sample):
            raise InputError(
                f"{path} shows no face in the seconds {neutral} that are called neutral (it lasts "
                f"{time_s[-1]:.1f} s); give others, or leave the neutral to be estimated"
            )
        if neutral == POPULATION:
            sample = sample[:0]  # nor is there a texture to compare with
        told = None if seconds is None else np.ones(len(sample), bool)
        own = regressor.estimate_neutral(*_parted(sample), told)
        attrs["expression"] = LANDMARKS if own.look is None else PICTURE
        smoothed = None
        if smoothing is not None:
            every = [regressor.express(*faces, own) for faces in _read_again(kept, sample.shape[1])]
            psi, sd = (np.concatenate(values) for values in zip(*every, strict=True))
            smoothed = smooth_psi(time_s, psi, smoothing, sd)
        start = 0
        for faces in _read_again(kept, sample.shape[1]):
            rows = slice(start, start + len(faces[0]))
            part = _described(
                recording or path.stem, start, time_s[rows], n_faces[rows], faces, regressor, own
            )
            if smoothed is not None:
                part = frames.with_psi(part, smoothed[rows], ICT53.names)[list(part.columns)]
            start = rows.stop
            elapsed = time.perf_counter() - started
            part.attrs = attrs | {"frames_per_second": round(len(time_s) / elapsed, 1)}
            yield part


def _detect(
    pictures: Iterable[Frame],
    landmarker: Landmarker,
    regressor: PictureRegressor,
    kept: BinaryIO,
    mirrored: bool,
    seconds: tuple[float, float] | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First pass: landmarks and looks into ``kept``; returns times, numbers of faces, and what tells the neutral.

    The latter is (m, 1434 + t): landmarks and texture components of an even sample of the frames, side by side.
    """
    width = _SIZE + regressor.texture.shape[1]
    sample = EvenSample(NEUTRAL_SAMPLE, (width,))
    nothing = np.full(_POINTS, np.nan, np.float32), np.zeros((CROP, CROP), np.uint8)
    times, counts = [], []

    def detected() -> Iterator[tuple[Frame, np.ndarray, Detection]]:
        for picture in pictures:
            rgb = picture.rgb[:, ::-1] if mirrored else picture.rgb
            yield picture, rgb, landmarker.detect(rgb)

    def seen() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for picture, rgb, found in ahead(detected()):
            times.append(picture.time_s)
            counts.append(found.n_faces)
            yield nothing if found.landmarks is None else (found.landmarks, crop(rgb, found.landmarks))

    faces = seen()
    while part := list(islice(faces, _LOOKED_AT)):
        landmarks, crops = (np.stack(values) for values in zip(*part, strict=True))
        rows = np.hstack([landmarks.reshape(len(part), _SIZE), regressor.looks(crops, landmarks)])
        kept.write(rows)
        for time_s, row in zip(times[-len(part) :], rows, strict=True):
            if np.isfinite(row[0]) and (seconds is None or seconds[0] <= time_s <= seconds[1]):
                sample.add(row)
    return np.array(times), np.array(counts, np.int8), sample.rows()


def _parted(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks (n, 478, 3) and looks (n, t) of rows that hold both."""
    return faces[:, :_SIZE].reshape(-1, *_POINTS), faces[:, _SIZE:]


def _read_again(kept: BinaryIO, width: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Landmarks and looks of at most ``PART`` frames at a time, from the beginning."""
    kept.seek(0)
    while block := kept.read(PART * 4 * width):
        yield _parted(np.frombuffer(block, np.float32).reshape(-1, width))


def _described(
    recording: str,
    start: int,
    time_s: np.ndarray,
    n_faces: np.ndarray,
    faces: tuple[np.ndarray, np.ndarray],
    regressor: PictureRegressor,
    own: Neutral,
) -> pd.DataFrame:
    """Second pass: pose and ψ of one part; ``own`` is the recording's neutral."""
    landmarks, looks = faces
    pose = align(landmarks)
    columns = np.column_stack([pose.angles, pose.scale, pose.translation]).T
    detected = np.isfinite(pose.scale)
    table = frames.frame_table(
        recording, time_s, detected, n_faces, landmarks, **dict(zip(frames.POSE, columns, strict=True))
    )
    table["frame"] += np.int32(start)
    psi, sd = regressor.express(landmarks, looks, own)
    table = frames.with_psi(table, psi, ICT53.names)
    return frames.with_psi_sd(table, sd, ICT53.names)


def _smoothing(name: str | None) -> OneEuro | Kalman | None:
    return None if name is None else settings_of(name)


def _neutral_seconds(neutral: str) -> tuple[float, float] | None:
    """First and last second of a span like ``"0-1.5"``; None for the words."""
    if neutral in (ESTIMATED, POPULATION):
        return None
    span = re.fullmatch(r"(\d+\.?\d*)-(\d+\.?\d*)", neutral)
    if not span or float(span[1]) > float(span[2]):
        raise ConfigError(
            f"neutral is '{ESTIMATED}', '{POPULATION}', or the seconds of a neutral face like '0-1.5'; got '{neutral}'"
        )
    return float(span[1]), float(span[2])
