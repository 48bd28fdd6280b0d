"""The calls of ``dfe extract`` and ``dfe encode``: what a worker does for one recording, or one segment of it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from dfe_lib.batch.calls import Call, Split, alive
from dfe_lib.batch.run import Job, Made, complete

SILENT_S = 120.0  # between two signs of life lie 64 frames, or one look through all of a recording's packets
JOINED_S = 3600.0  # the second pass gives none; it takes a minute for ten hours of video


def extraction(job: Job, place: Path, options: dict) -> Call:
    """The call that extracts one recording, or splits it where it is long.

    Parameters
    ----------
    options : ``neutral``, ``mirrored``, ``smooth`` of :func:`dfe_lib.face.extract.extract_to`.
    """
    paths = job.source.resolve(), job.target.resolve(), place.resolve()
    return Call(job.recording, _extract, (*paths, {"recording": job.recording, **options}), silent_s=SILENT_S)


def encoding(job: Job, place: Path, tokenizer: Path | None, method: str) -> Call:
    """The call that encodes one frame table."""
    paths = job.source.resolve(), job.target.resolve(), place.resolve()
    return Call(job.recording, _encode, (*paths, tokenizer and tokenizer.resolve(), method))


def _extract(source: Path, target: Path, place: Path, options: dict) -> Made | Split:
    from dfe_lib.face.extract import extract_to
    from dfe_lib.face.passes.segments import plan

    segments = plan(source)
    if len(segments) == 1:
        tools = (_landmarker(), _regressor())
        how = {"overlap": False, "tick": alive, "segments": segments}
        done = extract_to(source, place / target.name, *tools, **how, **options)
        return complete(done.table, target, done.n_frames, done.n_detected)
    files = [place / f"{i:05d}.segment" for i in range(len(segments))]
    parts = [
        Call(
            f"{target.stem} part {i + 1}",
            _detect,
            (source, segment, file, options["mirrored"]),
            silent_s=SILENT_S,
        )
        for i, (segment, file) in enumerate(zip(segments, files, strict=True))
    ]
    whole = (source, files, target, place, options)
    return Split(tuple(parts), Call(f"{target.stem} joined", _join, whole, silent_s=JOINED_S))


def _detect(source: Path, segment, file: Path, mirrored: bool) -> None:
    """First pass of one segment; one that an earlier run has made is kept."""
    from dfe_lib.face.passes.segments import detect_to

    detect_to(source, segment, file, _landmarker(), _regressor(), mirrored, overlap=False, tick=alive)


def _join(source: Path, files: list[Path], target: Path, place: Path, options: dict) -> Made:
    from dfe_lib.face.passes.segments import join

    done = join(source, files, place / target.name, _regressor(), overlap=False, tick=alive, **options)
    return complete(done.table, target, done.n_frames, done.n_detected)


def _encode(source: Path, target: Path, place: Path, tokenizer: Path | None, method: str) -> Made:
    from dfe_lib.tokens.tables import encode_table

    done = encode_table(source, place / target.name, tokenizer, method)
    return complete(done.table, target, done.frames, done.encoded)


@cache
def _landmarker():
    """One for the life of a worker; each picture stands alone, so it remembers nothing of the recording before."""
    from dfe_lib.face.landmarks import Landmarker

    return Landmarker()


@cache
def _regressor():
    from dfe_lib.face.picture import PictureRegressor

    return PictureRegressor.load()
