"""ψ of every recording of a data set: from its videos, its sequences of pictures, or its 68 landmarks."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import av

from dfe_lib import frames
from dfe_lib.data.datasets.base import Dataset
from dfe_lib.data.datasets.columns import POINTS, POINTS_2D
from dfe_lib.errors import DFEError, InputError
from dfe_lib.face.extract import POPULATION, Extraction, extract_to
from dfe_lib.face.files import existing, photograph
from dfe_lib.face.importers import with_expression
from dfe_lib.face.landmarks import Landmarker


def extract_dataset(
    dataset: Dataset, out: str | Path | None = None, progress: bool = False
) -> Iterator[Extraction]:
    """Make the frame table of each recording that has none yet; an interrupted run is taken up by the same call.

    Videos and pictures go through :func:`dfe_lib.face.extract.extract_to`; sets that hold landmarks alone through the
    regressors for 68 points. Every table says which data set it is of, and its access.

    Parameters
    ----------
    out : folder of the tables; by default the data set's ``frames_path``.
    progress : show a progress bar for each video.

    Raises
    ------
    InputError : the set holds neither pictures nor landmarks; or, unless the data set was opened with ``keep_going``,
        a recording cannot be used.
    AssetError : the FaceLandmarker model is not at hand.
    """
    folder = dataset.frames_path if out is None else Path(out)
    if not dataset.feeds & {"video", "pictures", "landmarks68", "landmarks68_2d"}:
        raise InputError(
            f"{dataset.name} holds {', '.join(sorted(dataset.feeds))} only: ψ cannot be made; use its action units as "
            "they are"
        )
    names = [n for n in dataset.recordings["recording"] if not (folder / f"{n}.parquet").is_file()]
    if "video" in dataset.feeds or "pictures" in dataset.feeds:
        with Landmarker() as landmarker:
            yield from _each(dataset, names, folder, landmarker, progress)
    else:
        yield from _each(dataset, names, folder, None, progress)


def _each(
    dataset: Dataset, names: Sequence[str], folder: Path, landmarker: Landmarker | None, progress: bool
) -> Iterator[Extraction]:
    about = {"dataset": dataset.name, "access": dataset.access}
    for name in names:
        target = folder / f"{name}.parquet"
        try:
            if landmarker is None:
                yield _from_points(dataset, name, target)
                continue
            options = {"recording": name, "landmarker": landmarker, "progress": progress, "about": about}
            if "video" in dataset.feeds:
                yield extract_to(dataset.video(name), target, **options)
                continue
            pictures = dataset.pictures(name)
            if len(pictures) == 1:
                yield extract_to(pictures[0], target, neutral=POPULATION, **options)
                continue
            with tempfile.TemporaryDirectory(prefix="dfe-pictures-") as place:
                clip = as_clip(pictures, Path(place) / f"{name}.mkv")
                yield extract_to(clip, target, **options)
        except DFEError as error:
            dataset.skip(name, error)
            yield Extraction(Path(name), None, 0, 0, 0.0, error)


def as_clip(pictures: Sequence[Path], target: Path) -> Path:
    """A lossless video of a sequence of pictures, one a second: their times are their numbers.

    Raises
    ------
    InputError : no picture, one that cannot be read, or one of another size.
    """
    if not pictures:
        raise InputError("a sequence without a single picture")
    size = None
    with av.open(str(target), "w") as file:
        stream = file.add_stream("ffv1", rate=1)
        stream.pix_fmt = "bgr0"
        for path in pictures:
            rgb = photograph(existing(path))
            if size is None:
                stream.height, stream.width = size = rgb.shape[:2]
            if rgb.shape[:2] != size:
                raise InputError(f"{path} is {rgb.shape[1]} × {rgb.shape[0]}, the pictures before it are not")
            for packet in stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)
    return target


def _from_points(dataset: Dataset, name: str, target: Path) -> Extraction:
    """ψ from the 68 landmarks that the set gives, in space where it has them there."""
    started = time.perf_counter()
    table = dataset.frames(name)
    kept = [c for c in (*frames.KEYS, POINTS, POINTS_2D) if c in table.columns]
    out = with_expression(table[kept]).drop(columns=kept[len(frames.KEYS) :])
    frames.write(out, target)
    rate = len(table) / (time.perf_counter() - started)
    return Extraction(Path(name), target, len(out), int(out["detected"].sum()), rate, None)
