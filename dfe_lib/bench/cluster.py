"""Extraction of many clips on worker processes: two against one, one against a bare loop, and what a call costs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from dfe_lib.batch.workers import ONE_THREAD
from dfe_lib.bench.extraction import looped
from dfe_lib.bench.timing import best

CLIPS = 40
SECONDS = 1.0  # of each clip, some thirty frames: short clips are the harder case for a runner
EMPTY = 400  # calls that do nothing
# What anyone would write who knows `extract_to`: one clip after the other, in one thread like a worker.
_BARE = """
import os, sys, time
from pathlib import Path
from dfe_lib.face import extract_to
from dfe_lib.face.landmarks import Landmarker
from dfe_lib.face.picture import PictureRegressor
folder, out, overlap = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "threads"
with Landmarker() as landmarker:
    tools = landmarker, PictureRegressor.load()
    clips = sorted(folder.iterdir())
    extract_to(clips[0], out / "warm.parquet", *tools, overlap=overlap)
    started = time.perf_counter()
    for clip in clips:
        extract_to(clip, out / f"{clip.stem}.parquet", *tools, overlap=overlap)
    print(time.perf_counter() - started)
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
        bare = _bare(folder, "one thread")
        starts, taken = {}, {}
        for n in (2, 1, 2):  # by turns: a slow minute of the machine meets all
            start, seconds = _workers(folder, n)
            starts[n] = min(start, starts.get(n, start))
            taken[n] = min(seconds, taken.get(n, seconds))
        bare, threaded = min(bare, _bare(folder, "one thread")), _bare(folder, "threads")
        count = sum(len(frames.read(path, frames.KEYS)) for path in (folder / "two").glob("*.parquet"))
        same = all(
            path.read_bytes() == (folder / "one" / path.name).read_bytes()
            for path in (folder / "two").glob("*.parquet")
        )
    return {
        "clips": CLIPS,
        "frames": count,
        "bare_loop_frames_per_s": count / bare,
        "bare_loop_with_threads_frames_per_s": count / threaded,
        "one_worker_frames_per_s": count / taken[1],
        "two_workers_frames_per_s": count / taken[2],
        "two_workers_relative_to_one": taken[1] / taken[2],
        "overhead_of_the_runner": taken[1] / bare - 1,
        "start_of_two_workers_s": starts[2],
        "ms_per_empty_call": 1000 * _empty(),
        "tables_alike_to_the_byte": "yes" if same else "no",
    }


def _bare(folder: Path, how: str) -> float:
    out = folder / "bare"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    command = [sys.executable, "-c", _BARE, str(folder / "clips"), str(out), how]
    env = os.environ | dict.fromkeys(ONE_THREAD if how == "one thread" else (), "1")
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return float(done.stdout.split()[-1])


def _workers(folder: Path, n: int) -> tuple[float, float]:
    """Seconds until workers stand, with MediaPipe loaded, and seconds of the work."""
    from dfe_lib.batch.inputs import jobs_of
    from dfe_lib.batch.recordings import extraction
    from dfe_lib.batch.run import MADE, run
    from dfe_lib.batch.workers import workers

    options = {"neutral": "estimated", "mirrored": False, "smooth": None}
    clips = sorted((folder / "clips").iterdir())
    out = folder / ("one", "two")[n - 1]
    shutil.rmtree(out, ignore_errors=True)
    started = time.perf_counter()
    with workers(n) as pool:
        for there in (folder / "warm", out):
            jobs, there = jobs_of(clips[: 2 * n] if there != out else clips, there)
            if there == out:
                stood, started = time.perf_counter() - started, time.perf_counter()
            ended = list(
                run(jobs, there, lambda _: nullcontext(pool), lambda j, p: extraction(j, p, options), {}, "")
            )
            assert {outcome.state for outcome in ended} == {MADE}, ended
        taken = time.perf_counter() - started
    shutil.rmtree(folder / "warm")
    return stood, taken


def _empty() -> float:
    """Seconds of a call that does nothing, on one worker."""
    from dfe_lib.batch.workers import workers

    with workers(1) as pool:
        pool.map(abs, range(20))
        return best(lambda: pool.map(abs, range(EMPTY))) / EMPTY
