"""A long recording in segments that are seen apart from each other, and joined to the table of the whole.

``plan`` cuts a recording, ``detect_to`` makes the first pass over one segment in one file, ``join`` makes the second
pass over all of them. Where cuts lie depends on the file alone, and extraction in one process makes the same ones: the
table is the same to the byte whoever sees which segment. Recordings are cut only where containers say exactly where
frames are (MP4, QuickTime, Matroska, WebM); at each cut both neighbours decode the same frame, and where they do not
see the same picture there, the recording is decoded anew from its beginning.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import av
import numpy as np
from threadpoolctl import threadpool_limits

from dfe_lib import frames
from dfe_lib.errors import InputError
from dfe_lib.face.files import container
from dfe_lib.face.landmarks import Landmarker
from dfe_lib.face.passes.first import detect, fit_together, row_type
from dfe_lib.face.passes.parts import identity, in_order, read_part, rows_of, write_part
from dfe_lib.face.passes.second import Extraction, Telling, tables
from dfe_lib.face.picture import PictureRegressor
from dfe_lib.face.video import Segment, Since, nominal_step, probe

# Frames: some minutes of work for one core. A multiple of first.LOOKED_AT, so that no batch is cut.
SEGMENT = 8192
REACH = 1024  # frames decoded in vain, at most, from a keyframe to a cut
_CONTAINERS = ("matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2")  # the others do not seek to a frame


def plan(path: str | Path, max_frames: int | None = None) -> list[Segment]:
    """The segments of a recording, in order: one of a photograph, a short recording, or one that cannot be cut.

    Parameters
    ----------
    max_frames : stop after so many frames.

    Raises
    ------
    InputError : as :func:`dfe_lib.face.video.frames`, or ``max_frames`` below 1.
    """
    if max_frames is not None and max_frames < 1:
        raise InputError(f"max_frames is 1 or more, or None for all; got {max_frames}")
    clip = probe(path)
    said = min(clip.n_frames, max_frames or clip.n_frames)
    if clip.is_photograph or 0 < said <= SEGMENT:
        return [Segment(0, said, most=max_frames)]
    return _cut(path, max_frames) or [Segment(0, said, most=max_frames)]


def _cut(path: str | Path, max_frames: int | None) -> list[Segment]:
    """Segments by the times of the packets, none of which is decoded; nothing where these do not tell enough."""
    shown, keyframes, decoded = array("q"), array("q"), array("q")
    with container(Path(path)) as opened:
        stream = opened.streams.video[0]
        if opened.format.name not in _CONTAINERS:
            return []
        try:
            for packet in opened.demux(stream):
                if not packet.size:
                    continue
                if packet.pts is None or packet.is_discard or packet.is_corrupt:
                    return []
                shown.append(packet.pts)
                if packet.is_keyframe:
                    keyframes.append(packet.pts)
                    decoded.append(packet.pts if packet.dts is None else packet.dts)
        except av.FFmpegError:
            return []  # the first pass says what is wrong
        too_early = shown and min(shown) * float(stream.time_base) <= -nominal_step(stream)
    pts = np.sort(np.array(shown, np.int64))
    if too_early or (np.diff(pts) <= 0).any():  # times of frames will be others
        return []
    order = np.argsort(keyframes, kind="stable")
    keyframes, decoded = np.array(keyframes, np.int64)[order], np.array(decoded, np.int64)[order]
    end = min(len(pts), max_frames or len(pts))
    sinces: list[Since | None] = [None]
    for cut in range(SEGMENT, end, SEGMENT):
        nearest = int(np.searchsorted(keyframes, pts[cut], side="right")) - 1
        if nearest >= 0 and cut - int(np.searchsorted(pts, keyframes[nearest])) <= REACH:
            sinces.append(Since(int(decoded[nearest]), int(pts[cut]), cut))
    cuts = [0, *(since.index for since in sinces[1:])]
    inner = [
        Segment(cuts[i], cuts[i + 1], since, int(pts[cuts[i + 1]])) for i, since in enumerate(sinces[:-1])
    ]
    most = None if max_frames is None else end - cuts[-1]
    return [*inner, Segment(cuts[-1], end, sinces[-1], most=most)]


def whole(segments: Sequence[Segment]) -> Segment:
    """The recording that was cut into these, in one piece."""
    last = segments[-1]
    return Segment(0, last.stop, most=None if last.most is None else last.start + last.most)


@threadpool_limits.wrap(limits=1, user_api="blas")  # or the last bits would be those of so many cores
def detect_to(
    path: str | Path,
    segment: Segment,
    target: str | Path,
    landmarker: Landmarker | None = None,
    regressor: PictureRegressor | None = None,
    mirrored: bool = False,
    overlap: bool = True,
    tick: Callable[[int], object] | None = None,
) -> Path:
    """The first pass over one segment, in a file for :func:`join`: complete under its name, or not there at all.

    A file that holds this segment already is kept. Like the recording, it tells people apart; delete it when the
    table is there.

    Parameters
    ----------
    landmarker, regressor : to share one across calls; by default fresh and shipped ones.
    mirrored, overlap, tick : as in :func:`dfe_lib.face.extract_to`.

    Raises
    ------
    InputError : the recording cannot be used. OutputError : ``target`` cannot be written.
    AssetError : the FaceLandmarker model is not at hand.
    """
    path, target = Path(path), Path(target)
    probe(path)  # before a folder is made for it
    regressor = regressor or PictureRegressor.load()
    of = identity(path, mirrored, row_type(regressor))
    there = read_part(target)
    if there is None or (there.segment, there.of) != (segment, of):
        with nullcontext(landmarker) if landmarker is not None else Landmarker() as landmarker:
            write_part(
                target,
                segment,
                of,
                lambda file: detect(path, segment, file, landmarker, regressor, mirrored, overlap, tick),
            )
    return target


@threadpool_limits.wrap(limits=1, user_api="blas")  # as above
def join(
    path: str | Path,
    parts: Sequence[str | Path],
    target: str | Path,
    regressor: PictureRegressor | None = None,
    overlap: bool = True,
    tick: Callable[[int], object] | None = None,
    **options,
) -> Extraction:
    """The second pass over all segments of a recording: the table that :func:`dfe_lib.face.extract_to` writes.

    Parameters
    ----------
    parts : the file of each segment of :func:`plan`, in their order; they are left as they are.
    overlap, tick : as in :func:`dfe_lib.face.extract_to`, should a cut not hold and all be decoded anew.
    target : a .parquet file; complete under its name, or not there at all.
    options : ``recording``, ``neutral``, ``mirrored``, ``smooth``, ``about``, as in ``extract_to``.

    Returns
    -------
    Extraction; frames per second are those of all the work, in the segments as well.

    Raises
    ------
    InputError : a part is missing, damaged or of something else; and as ``extract_to``.
    """
    started = time.perf_counter()
    path, target, telling = Path(path), Path(target), Telling(**options)
    regressor = regressor or PictureRegressor.load()
    probe(path)
    of = identity(path, telling.mirrored, row_type(regressor))
    found = in_order([Path(part) for part in parts], of)
    with TemporaryFile(dir=found[0].path.parent) as kept:
        anew = None
        if not fit_together([part.seen for part in found]):
            uncut = whole([part.segment for part in found])
            with Landmarker() as landmarker:
                anew = detect(path, uncut, kept, landmarker, regressor, telling.mirrored, overlap, tick)

        def files() -> Iterable[tuple[BinaryIO, int]]:
            return rows_of(found) if anew is None else [(kept, anew.rows)]

        frames.write_parts(tables(path, files, regressor, telling), target)
    seconds = time.perf_counter() - started + sum(part.seconds for part in found)
    return Extraction.of(path, target, seconds)
