"""Extraction of many clips on worker processes: two against one, one against a bare loop, and what a call costs."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

from dfe_lib.batch.inputs import jobs_of
from dfe_lib.batch.recordings import extraction
from dfe_lib.batch.run import MADE, run
from dfe_lib.batch.workers import ONE_THREAD, Workers, workers
from dfe_lib.bench.extraction import looped
from dfe_lib.bench.timing import best

Extract = Callable[[list[Path]], object]

CLIPS = 40
SECONDS = 1.0  # of each clip, some thirty frames: short clips are the harder case for a runner
TURN = 8  # clips
EMPTY = 400  # calls that do nothing
# What anyone would write who knows `extract_to`, one clip after the other, each when it is told to.
_BARE = """
import sys
from pathlib import Path
from dfe_lib.face import extract_to
from dfe_lib.face.landmarks import Landmarker
from dfe_lib.face.picture import PictureRegressor
with Landmarker() as landmarker:
    tools = landmarker, PictureRegressor.load()
    for line in sys.stdin:
        clip = Path(line.rstrip())
        extract_to(clip, Path(sys.argv[1]) / f"{clip.stem}.parquet", *tools, overlap=False)
        print(clip, flush=True)
"""


def cluster() -> dict[str, float]:
    """Speed of the runner on ``CLIPS`` clips of :mod:`intel-sample-videos`; times do not hold the start of workers.

    Raises
    ------
    AssetError : clips or the FaceLandmarker model are not at hand.
    """
    from dfe_lib import frames
    from dfe_lib.data import manifest

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "clips").mkdir()
        seeds = [
            f"{word}.mkv" for word in ("again", "yes", "no", "brother", "sister", "sorry", "milk", "help")
        ]
        for i in range(CLIPS):
            seed = manifest.locate("intel-sample-videos", seeds[i % len(seeds)])
            looped(seed, SECONDS, folder / "clips" / f"clip{i:02d}.mkv")
        clips = sorted((folder / "clips").iterdir())
        kinds = {
            "bare_loop": partial(_bare_loop, folder / "a", clips[0]),
            "two_bare_loops": partial(_two_bare_loops, folder / "b", clips[0]),
            "one_worker": partial(_runner, folder / "one", clips, 1),
            "two_workers": partial(_runner, folder / "two", clips, 2),
        }
        seconds, starts = _by_turns(clips, kinds)
        tables = [path.relative_to(folder / "two") for path in (folder / "two").rglob("*.parquet")]
        count = sum(len(frames.read(folder / "two" / path, frames.KEYS)) for path in tables)
        same = all((folder / "two" / p).read_bytes() == (folder / "one" / p).read_bytes() for p in tables)
    return {
        "clips": len(tables),
        "frames": count,
        **{f"{name}_frames_per_s": count / taken for name, taken in seconds.items()},
        "two_bare_loops_relative_to_one": seconds["bare_loop"] / seconds["two_bare_loops"],
        "two_workers_relative_to_one": seconds["one_worker"] / seconds["two_workers"],
        "two_workers_relative_to_two_bare_loops": seconds["two_bare_loops"] / seconds["two_workers"],
        "overhead_of_the_runner": seconds["one_worker"] / seconds["bare_loop"] - 1,
        "start_of_two_workers_s": starts["two_workers"],
        "ms_per_empty_call": 1000 * _empty(),
        "tables_alike_to_the_byte": "yes" if same else "no",
    }


def _by_turns(
    clips: list[Path], kinds: Mapping[str, Callable[[], AbstractContextManager[Extract]]]
) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds of each kind over all clips, and the fewest until it could begin; they take turns every ``TURN`` clips.

    So that whatever slows the machine for a while slows all alike: between one run of forty clips and the next its
    speed changes by more than the runner costs. Only one kind is there at a time, since workers that wait are not
    idle: they and their scheduler look after each other.
    """
    seconds, starts = dict.fromkeys(kinds, 0.0), dict.fromkeys(kinds, math.inf)
    for i in range(0, len(clips), TURN):
        for name, kind in kinds.items():
            asked = time.perf_counter()
            with kind() as extract:
                started = time.perf_counter()
                extract(clips[i : i + TURN])
                seconds[name] += time.perf_counter() - started
            starts[name] = min(starts[name], started - asked)
    return seconds, starts


@contextmanager
def _bare_loop(out: Path, first: Path) -> Iterator[Extract]:
    """A process with one thread that extracts clips when it is told to, one after the other."""
    out.mkdir(exist_ok=True)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    env = os.environ | dict.fromkeys(ONE_THREAD, "1")
    with subprocess.Popen([sys.executable, "-c", _BARE, str(out)], env=env, **pipes) as child:

        def extract(clips: list[Path]) -> None:
            child.stdin.writelines(f"{clip}\n" for clip in clips)
            said = [child.stdout.readline().rstrip() for _ in clips]
            assert said == [str(clip) for clip in clips], said

        extract([first])
        yield extract
        child.stdin.close()


@contextmanager
def _two_bare_loops(out: Path, first: Path) -> Iterator[Extract]:
    """Two such processes, every other clip for each: what the machine's second core is worth."""
    out.mkdir(exist_ok=True)
    with (
        _bare_loop(out / "a", first) as one,
        _bare_loop(out / "b", first) as other,
        ThreadPoolExecutor(2) as pool,
    ):
        yield lambda clips: list(
            pool.map(lambda loop, some: loop(some), (one, other), (clips[::2], clips[1::2]))
        )


@contextmanager
def _runner(out: Path, clips: list[Path], n: int) -> Iterator[Extract]:
    """``n`` workers, each with an extraction behind it."""
    with workers(n) as pool, tempfile.TemporaryDirectory() as warm:
        _extract(clips[: 2 * n], Path(warm), pool)
        yield lambda some: _extract(some, out / some[0].stem, pool)


def _extract(clips: list[Path], out: Path, pool: Workers) -> None:
    jobs, out = jobs_of(clips, out)
    options = {"neutral": "estimated", "mirrored": False, "smooth": None}
    ended = list(run(jobs, out, lambda _: nullcontext(pool), lambda j, p: extraction(j, p, options), {}, ""))
    assert {outcome.state for outcome in ended} == {MADE}, ended


def _empty() -> float:
    """Seconds of a call that does nothing, on one worker."""
    with workers(1) as pool:
        pool.map(abs, range(20))
        return best(lambda: pool.map(abs, range(EMPTY))) / EMPTY
