"""Extraction of many clips on worker processes: two against one, one against a bare loop, and what a call costs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

from dfe_lib.batch.inputs import jobs_of
from dfe_lib.batch.recordings import extraction
from dfe_lib.batch.run import MADE, run
from dfe_lib.batch.workers import ONE_THREAD, Workers, workers
from dfe_lib.bench.extraction import looped
from dfe_lib.bench.timing import best

CLIPS = 40
SECONDS = 1.0  # of each clip, some thirty frames: short clips are the harder case for a runner
TURN = 10  # clips
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
        started = time.perf_counter()
        with workers(2) as two:
            _extract(clips[:4], folder / "start", two)
            start = time.perf_counter() - started
            with workers(1) as one, _bare_loop(folder / "a") as bare, _bare_loop(folder / "b") as second:
                _extract(clips[:2], folder / "warm", one)
                seconds = _by_turns(
                    clips,
                    {
                        "bare_loop": bare,
                        "two_bare_loops": lambda some: _at_once((bare, second), (some[::2], some[1::2])),
                        "one_worker": lambda some: _extract(some, folder / "one" / some[0].stem, one),
                        "two_workers": lambda some: _extract(some, folder / "two" / some[0].stem, two),
                    },
                )
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
        "start_of_two_workers_s": start,
        "ms_per_empty_call": 1000 * _empty(),
        "tables_alike_to_the_byte": "yes" if same else "no",
    }


def _by_turns(clips: list[Path], works: Mapping[str, Callable[[list[Path]], object]]) -> dict[str, float]:
    """Seconds of each of ``works`` over all clips; they take turns every ``TURN`` clips.

    So that whatever slows the machine for seconds slows all alike: between one run of forty clips and the next its
    speed changes by more than the runner costs.
    """
    seconds = dict.fromkeys(works, 0.0)
    for i in range(0, len(clips), TURN):
        for name, work in works.items():
            started = time.perf_counter()
            work(clips[i : i + TURN])
            seconds[name] += time.perf_counter() - started
    return seconds


@contextmanager
def _bare_loop(out: Path) -> Iterator[Callable[[list[Path]], None]]:
    """A process with one thread that extracts clips when it is told to, one after the other."""
    out.mkdir()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    env = os.environ | dict.fromkeys(ONE_THREAD, "1")
    with subprocess.Popen([sys.executable, "-c", _BARE, str(out)], env=env, **pipes) as child:

        def extract(clips: list[Path]) -> None:
            child.stdin.writelines(f"{clip}\n" for clip in clips)
            said = [child.stdout.readline().rstrip() for _ in clips]
            assert said == [str(clip) for clip in clips], said

        extract([next((out.parent / "clips").iterdir())])  # warm
        yield extract
        child.stdin.close()


def _at_once(works: Iterable[Callable[[list[Path]], None]], clips: Iterable[list[Path]]) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda work, some: work(some), works, clips))


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
