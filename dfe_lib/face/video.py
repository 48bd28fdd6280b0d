"""Frames of a video or a photograph, in one pass, upright, with the container's own times."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from dfe_lib.errors import InputError

PHOTOGRAPHS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


T = TypeVar("T")


@dataclass(frozen=True)
class Frame:
    """One decoded frame: running number, presentation time in seconds, (H, W, 3) uint8 RGB."""

    index: int
    time_s: float
    rgb: np.ndarray


@dataclass(frozen=True)
class Clip:
    """What the container says. ``n_frames`` is its estimate (0: not known); rate in frames per second."""

    width: int
    height: int
    rate: float
    n_frames: int
    is_photograph: bool


def probe(path: str | Path) -> Clip:
    """Size, rate and estimated length of a video or photograph, without decoding it.

    Raises
    ------
    InputError : as :func:`frames`.
    """
    path = _existing(path)
    if path.suffix.lower() in PHOTOGRAPHS:
        picture = _photograph(path)
        return Clip(picture.shape[1], picture.shape[0], 0.0, 1, True)
    with _container(path) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        length = stream.frames
        if not length and stream.duration and stream.time_base:
            length = round(float(stream.duration * stream.time_base) * rate)
        return Clip(stream.width, stream.height, rate, int(length), False)


def frames(path: str | Path, from_s: float = 0.0) -> Iterator[Frame]:
    """Decode a video or a photograph frame by frame.

    Times are the container's presentation times, so variable frame rates are right. A frame without a time, or
    with one that does not increase, gets the time of the one before plus one nominal frame. Rotation flags (videos)
    and EXIF orientation (photographs) are applied.

    Raises
    ------
    InputError : missing, a folder, empty, not decodable, or without a video stream.
    """
    path = _existing(path)
    if path.suffix.lower() in PHOTOGRAPHS:
        yield Frame(0, 0.0, _photograph(path))
        return
    with _container(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        step = 1 / float(stream.average_rate or stream.guessed_rate or 25)
        last, index = -step, -1
        if from_s > 0:
            with suppress(av.FFmpegError):  # what cannot be sought, like a GIF, is decoded from its beginning
                container.seek(int(from_s / stream.time_base), stream=stream)
        try:
            for frame in container.decode(stream):
                time = frame.time if frame.time is not None and frame.time > last else last + step
                last = time
                if time < from_s - step / 2:
                    continue
                index += 1
                rgb = frame.to_ndarray(format="rgb24")
                turns = round(frame.rotation / 90) % 4
                yield Frame(index, float(time), np.rot90(rgb, turns) if turns else rgb)
        except av.FFmpegError as error:
            raise InputError(
                f"{path} is damaged after frame {index} ({_reason(error)}); repair or re-encode it"
            ) from error
        if index < 0:
            raise InputError(f"{path} holds a video stream without a single frame; re-export it")


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each made by another thread while the one before is worked on.

    A fifth of the time that a frame takes goes into decoding and colours, and detection leaves a core free.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a video or photograph, or several of them")
    if not path.is_file():
        raise InputError(f"{path} is not there; give the path of a video or photograph")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); copy or download it again")
    return path


def _photograph(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as picture:
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(
            f"{path} is not a readable photograph ({_reason(error)}); export it again"
        ) from error


def _container(path: Path) -> av.container.InputContainer:
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise InputError(
            f"{path} is not a readable video ({_reason(error)}); re-encode it, e.g. as H.264"
        ) from error
    if not container.streams.video:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "none"
        container.close()
        raise InputError(f"{path} has no video stream (streams: {kinds}); give a file with pictures in it")
    return container


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]
