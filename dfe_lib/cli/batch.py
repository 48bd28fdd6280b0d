"""What ``dfe extract`` and ``dfe encode`` share: a run over recordings, and what is said of it."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from dfe_lib.cli.say import complain, finish_batch, say
from dfe_lib.errors import ConfigError

WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        help="Processes that work at once on this machine, one core each; as many as it has room for by default.",
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        help="Address of a Dask scheduler whose workers see the same folders, such as tcp://10.0.0.1:8786.",
    ),
]
LARGE = 32e6  # bytes of a single recording that may be worth several workers


def many(
    inputs: list[Path],
    out: Path,
    workers: int | None,
    scheduler: str | None,
    call_of: Callable,
    depends: dict,
    what: str,
    measured: str,
) -> None:
    """Make a table for each input and say how it went; exit code 2 where one could not be made.

    Parameters
    ----------
    call_of, depends, what : as of :func:`dfe_lib.batch.run.run`.
    measured : what is said of a table, of ``{frames}`` and ``{measured}`` ones.
    """
    from dfe_lib.batch import inputs as given
    from dfe_lib.batch.run import GIVEN_UP, MADE, THERE, remove, run
    from dfe_lib.batch.workers import sensible
    from dfe_lib.batch.workers import workers as start

    if workers is not None and scheduler is not None:
        raise ConfigError("--workers and --scheduler exclude each other: the scheduler has its own workers")
    jobs, folder = given.jobs_of(inputs, out)
    single = len(jobs) == 1 and folder != out
    states, failures, frames = Counter(), [], 0
    started, n = time.monotonic(), 0

    @contextmanager
    def open_pool(todo: int):
        nonlocal n
        large = single and inputs[0].stat().st_size > LARGE  # to be cut into segments
        with start(
            None if scheduler else workers or min(sensible(), 1000 if large else todo), scheduler
        ) as pool:
            n = pool.n
            if sys.stderr.isatty() and not single:
                say(f"{n} workers; watch them at {pool.dashboard}", error=True)
            yield pool

    for outcome in run(jobs, folder, open_pool, call_of, depends, what):
        states[outcome.state] += 1
        if outcome.state == GIVEN_UP:
            failures.append(outcome.error)
            if not single:
                complain(outcome.error)
        elif outcome.state == MADE:
            frames += outcome.entry.frames
            found = measured.format(frames=outcome.entry.frames, measured=outcome.entry.measured)
            say(f"{outcome.job.target}: {found}")
    taken = time.monotonic() - started
    if single:
        remove(folder)
        if failures:
            raise failures[0]
        return
    speed = (
        f": {frames} frames in {taken:.0f} s, {frames / taken:.0f} frames/s, {n} workers"
        if states[MADE]
        else ""
    )
    there = f"; {states[THERE]} were there already" if states[THERE] else ""
    say(f"{states[MADE]} of {len(jobs)} recordings made{speed}{there}")
    finish_batch(failures, len(jobs))
