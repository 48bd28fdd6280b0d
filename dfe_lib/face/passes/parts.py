"""What the first pass over a segment leaves in a file: rows of one size, then what they are, in JSON.

Nothing in such a file can be run, and one that is cut off or belongs to something else is told by its end.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dfe_lib import __version__
from dfe_lib.errors import InputError
from dfe_lib.face.passes.first import Seen
from dfe_lib.face.video import Segment, Since
from dfe_lib.staging import staged_file

_LONGEST = 4096  # bytes that a part says of itself


@dataclass(frozen=True)
class Part:
    """A file of rows: which segment they are of, what the pass has seen, how many seconds it took.

    ``of`` tells recordings apart, and one recording before and after it was changed.
    """

    path: Path
    segment: Segment
    seen: Seen
    seconds: float
    of: dict


def identity(path: Path, mirrored: bool, layout: np.dtype) -> dict:
    """What a part must be of to be of use: this file as it is, seen in this way, kept in rows of this size."""
    state = path.stat()
    return {
        "bytes": state.st_size,
        "changed": state.st_mtime_ns,
        "mirrored": mirrored,
        "row": layout.itemsize,
        "dfe_version": __version__,
    }


def write_part(target: Path, segment: Segment, of: dict, fill: Callable[[BinaryIO], Seen]) -> Part:
    """Let ``fill`` write the rows; complete under its name, or not there at all.

    Raises
    ------
    OutputError : the place cannot be written to.
    """
    started = time.perf_counter()
    with staged_file(target) as place, place.open("wb") as file:
        seen = fill(file)
        part = Part(target, segment, seen, time.perf_counter() - started, of)
        about = {**asdict(part), "path": None}
        text = json.dumps(about).encode()
        file.write(text + len(text).to_bytes(8, "little"))
    return part


def read_part(path: Path) -> Part | None:
    """What a file says of itself; None where it is not there, cut off, or no part at all."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 8, 0))
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(_LONGEST, size - 8):
            return None
        file.seek(size - 8 - length)
        try:
            about = json.loads(file.read(length))
            segment, seen = about["segment"], Seen(**about["seen"])
            since = None if segment["since"] is None else Since(**segment["since"])
            part = Part(path, Segment(**segment | {"since": since}), seen, about["seconds"], about["of"])
            whole = seen.rows * part.of["row"] + length + 8 == size
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
    return part if whole else None


def rows_of(parts: Sequence[Part]) -> Iterator[tuple[BinaryIO, int]]:
    """Each part's file, one open at a time, and the number of its rows: for :func:`first.read_rows`."""
    for part in parts:
        with part.path.open("rb") as file:
            yield file, part.seen.rows


def in_order(paths: Sequence[Path], of: dict) -> list[Part]:
    """The parts of a whole recording.

    Parameters
    ----------
    of : what each must be of, as :func:`identity` says it.

    Raises
    ------
    InputError : one is missing, damaged, of something else, or does not begin where the one before it ends.
    """
    parts, expected = [], None
    for path in paths:
        part = read_part(path)
        if part is None or part.of != of:
            raise InputError(
                f"{path} is not a complete part of this recording as it is now; delete it and make it anew"
            )
        begins = None if part.segment.since is None else part.segment.since.first
        if begins != expected or (parts and begins is None):
            raise InputError(
                f"{path} does not begin where the part before it ends; give all parts in their order"
            )
        parts.append(part)
        expected = part.segment.end
    if not parts or expected is not None:
        raise InputError("the last part of the recording is missing; give all parts in their order")
    return parts
