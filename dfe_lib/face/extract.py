"""From a video or photograph to a frame table: landmarks, head pose and expression coefficients.

In two passes, because a frame is measured against the recording's own neutral face: the first decodes, detects and
keeps landmarks and what the picture shows around them in a file without a name (:mod:`dfe_lib.face.passes.first`); the
second adds pose and ψ and hands the table on in parts (:mod:`dfe_lib.face.passes.second`). A long recording is seen in
segments, here one after the other; :mod:`dfe_lib.face.passes.segments` has them for a runner that sees many at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryFile

import pandas as pd
from threadpoolctl import threadpool_limits

from dfe_lib import frames
from dfe_lib.errors import DFEError
from dfe_lib.face.landmarks import Landmarker
from dfe_lib.face.passes.first import detect, fit_together
from dfe_lib.face.passes.second import ESTIMATED, POPULATION, Extraction, Telling, tables
from dfe_lib.face.passes.segments import plan, whole
from dfe_lib.face.picture import PictureRegressor
from dfe_lib.face.video import Segment
from dfe_lib.progress import bar as progress_bar

__all__ = ["ESTIMATED", "POPULATION", "Extraction", "extract", "extract_many", "extract_to"]


@threadpool_limits.wrap(limits=1, user_api="blas")  # or the last bits would be those of so many cores
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
    overlap: bool = True,
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
    overlap : decode and detect at the same time; the table is the same without. False keeps to one core, for a process
        that is one of as many as there are cores.

    Returns
    -------
    Frame table (see :mod:`dfe_lib.frames`), one row per decoded frame, with landmarks, pose, ψ and its standard
    deviation of the largest face. ``attrs`` says how it was made: size, rate, versions, neutral, mirrored, smoothing,
    whether ψ is told from the picture or from landmarks alone.

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
    telling = Telling(recording, neutral, mirrored, smooth)
    segments = plan(path, max_frames)
    parts = list(_tables(Path(path), None, segments, telling, landmarker, regressor, progress, overlap))
    table = pd.concat(parts, ignore_index=True)
    table.attrs = parts[-1].attrs
    return table


@threadpool_limits.wrap(limits=1, user_api="blas")  # as above
def extract_to(
    path: str | Path,
    target: str | Path,
    landmarker: Landmarker | None = None,
    regressor: PictureRegressor | None = None,
    max_frames: int | None = None,
    progress: bool = False,
    overlap: bool = True,
    tick: Callable[[int], object] | None = None,
    segments: Sequence[Segment] | None = None,
    **options,
) -> Extraction:
    """The table of :func:`extract`, written to ``target`` part by part: for recordings of any length.

    Parameters
    ----------
    target : a .parquet file; complete under its name, or not there at all.
    tick : called now and then with the number of frames that were done since.
    segments : of :func:`dfe_lib.face.passes.segments.plan`, where they are known already.
    options : as in :func:`extract`; and ``about``, a dictionary that is added to the table's ``attrs``.

    Raises
    ------
    As :func:`extract`, and OutputError where ``target`` cannot be written.
    """
    started = time.perf_counter()
    path, target, telling = Path(path), Path(target), Telling(**options)
    if segments is None:
        segments = plan(path, max_frames)  # before a folder is made for it
    parts = _tables(path, target.parent, segments, telling, landmarker, regressor, progress, overlap, tick)
    frames.write_parts(parts, target)
    return Extraction.of(path, target, time.perf_counter() - started)


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
    Telling(neutral=options.get("neutral", ESTIMATED), smooth=options.get("smooth"))
    targets = frames.one_table_each(paths, out)
    return _extract_each([Path(p) for p in paths], targets, {"progress": progress, **options})


def _extract_each(paths: list[Path], targets: list[Path], options: dict) -> Iterator[Extraction]:
    with Landmarker() as landmarker:
        for path, target in zip(paths, targets, strict=True):
            try:
                yield extract_to(path, target, landmarker=landmarker, **options)
            except DFEError as error:
                yield Extraction(path, None, 0, 0, 0.0, error)


def _tables(
    path: Path,
    folder: Path | None,
    segments: Sequence[Segment],
    telling: Telling,
    landmarker: Landmarker | None,
    regressor: PictureRegressor | None,
    progress: bool,
    overlap: bool,
    tick: Callable[[int], object] | None = None,
) -> Iterator[pd.DataFrame]:
    """The table in parts, the rows of the first pass meanwhile in a file without a name in ``folder``."""
    regressor = regressor or PictureRegressor.load()
    given = landmarker is not None
    with nullcontext(landmarker) if given else Landmarker() as landmarker, TemporaryFile(dir=folder) as kept:
        with progress_bar(
            total=segments[-1].stop or None, desc=path.name, unit="frame", show=progress, leave=False
        ) as bar:

            def seen_some(n: int) -> None:
                bar.update(n)
                if tick is not None:
                    tick(n)

            how = (landmarker, regressor, telling.mirrored, overlap, seen_some)
            seen = [detect(path, segment, kept, *how) for segment in segments]
            if not fit_together(seen):
                kept.seek(0)
                kept.truncate()
                bar.reset()
                seen = [detect(path, whole(segments), kept, *how)]
        n_rows = sum(part.rows for part in seen)
        yield from tables(path, lambda: [(kept, n_rows)], regressor, telling)
