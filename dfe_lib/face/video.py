"""Frames of a video or a photograph, in one pass, upright, with the container's own times."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import av
import numpy as np

from dfe_lib.errors import InputError
from dfe_lib.face.files import BROKEN, container, existing, is_photograph, photograph, photograph_size, reason

T = TypeVar("T")


@dataclass(frozen=True)
class Frame:
    """One decoded frame: running number, presentation time in seconds, (H, W, 3) uint8 RGB.

    ``pts`` is its time as the container counts, None where it does not say.
    """

    index: int
    time_s: float
    rgb: np.ndarray
    pts: int | None = None


@dataclass(frozen=True)
class Since:
    """A place inside a video: the keyframe to start decoding at, the first frame wanted, and that frame's number.

    Keyframe (its decoding time) and first frame (its presentation time) are in units of the stream's time base.
    """

    keyframe: int
    first: int
    index: int


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording.

    Attributes
    ----------
    start, stop : numbers of its first frame and of the one after its last, as the container has it; of a recording in
        one piece they may be an estimate.
    since : where it begins; None at the recording's beginning.
    end : presentation time of the frame after its last, in units of the stream's time base; None at the recording's
        end.
    most : no more frames than these are decoded; None for all.
    """

    start: int
    stop: int
    since: Since | None = None
    end: int | None = None
    most: int | None = None


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
    path = existing(path)
    state = path.stat()
    return _probed(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=8)  # an extraction asks several times, and opening takes as long as a frame or two
def _probed(path: Path, size: int, changed: int) -> Clip:
    if is_photograph(path):
        return Clip(*photograph_size(path), 0.0, 1, True)
    with container(path) as opened:
        stream = opened.streams.video[0]
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        length = stream.frames
        if not length and stream.duration and stream.time_base:
            length = round(float(stream.duration * stream.time_base) * rate)
        elif not length and opened.duration:  # Matroska says it of the file alone
            length = round(opened.duration / av.time_base * rate)
        return Clip(stream.width, stream.height, rate, int(length), False)


def frames(
    path: str | Path, from_s: float = 0.0, since: Since | None = None, threads: bool = True
) -> Iterator[Frame]:
    """Decode a video or a photograph frame by frame.

    Times are the container's presentation times, so variable frame rates are right. A frame without a time, or
    with one that does not increase, gets the time of the one before plus one nominal frame. Rotation flags (videos)
    and EXIF orientation (photographs) are applied.

    Parameters
    ----------
    from_s : leave out what is shown before this second.
    since : start inside of a video, as :func:`dfe_lib.face.passes.segments.plan` says.
    threads : False decodes with the calling thread alone; the pictures are the same.

    Raises
    ------
    InputError : missing, a folder, empty, not decodable, too large, or without a video stream.
    """
    path = existing(path)
    if is_photograph(path):
        yield Frame(0, 0.0, photograph(path))
        return
    with container(path) as opened:
        stream = opened.streams.video[0]
        stream.thread_type = "AUTO" if threads else "NONE"
        step = nominal_step(stream)
        last, index = -step, -1
        with suppress(av.FFmpegError):  # what cannot be sought, like a GIF, is decoded from its beginning
            if since is not None:
                opened.seek(since.keyframe, stream=stream)
            elif from_s > 0:
                opened.seek(int(from_s / stream.time_base), stream=stream)
        if since is not None:
            last, index = -math.inf, since.index - 1
        try:
            for frame in opened.decode(stream):
                if since is not None and (frame.pts is None or frame.pts < since.first):
                    continue
                time = frame.time if frame.time is not None and frame.time > last else last + step
                last = time
                if time < from_s - step / 2:
                    continue
                index += 1
                rgb = frame.to_ndarray(format="rgb24")
                turns = round(frame.rotation / 90) % 4
                yield Frame(index, float(time), np.rot90(rgb, turns) if turns else rgb, frame.pts)
        except BROKEN as error:
            where = f"after frame {index}" if index >= 0 else "at its first frame"
            raise InputError(
                f"{path} is damaged {where} ({reason(error)}); repair or re-encode it"
            ) from error
        if index < 0:
            raise InputError(f"{path} holds a video stream without a single frame; re-export it")


def nominal_step(stream: av.VideoStream) -> float:
    """Seconds from frame to frame where nothing else is known."""
    return 1 / float(stream.average_rate or stream.guessed_rate or 25)


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each made by another thread while the one before is worked on.

    A fifth of the time that a frame takes goes into decoding and colours, and detection leaves a core free.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item
