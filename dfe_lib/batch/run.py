"""A run over many recordings: what is done already stays, what fails is set aside, the rest is made.

In the output folder lie the tables, ``journal.jsonl``, ``quarantine/`` where something failed, and, until all is
done, ``.unfinished/`` with whatever is not complete. One run at a time works in a folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from dfe_lib.batch.calls import Call, Ended
from dfe_lib.batch.journal import Entry, Journal
from dfe_lib.batch.workers import Workers
from dfe_lib.errors import DFEError, InputError, cannot_write
from dfe_lib.locks import NAME as LOCK
from dfe_lib.locks import alone
from dfe_lib.progress import bar as progress_bar

UNFINISHED = ".unfinished"
MADE, THERE, GIVEN_UP = "made", "there", "given up"


@dataclass(frozen=True)
class Job:
    """One recording: its name, the file it comes from and the table it goes to."""

    recording: str
    source: Path
    target: Path


@dataclass(frozen=True)
class Made:
    """What a call says of the table that it has made; see :func:`complete`."""

    bytes: int
    sha256: str
    frames: int
    measured: int


@dataclass(frozen=True)
class Outcome:
    """How one job ended: ``state`` is made, there (an earlier run made it) or given up, with the error."""

    job: Job
    state: str
    entry: Entry | None = None
    error: DFEError | None = None


@dataclass(frozen=True)
class _Todo:
    job: Job
    mark: str  # fingerprint
    size: int  # bytes of the source

    def place(self, scratch: Path) -> Path:
        return scratch / f"{self.job.recording}-{self.mark[:8]}"


def run(
    jobs: Sequence[Job],
    folder: Path,
    start: Callable[[int], AbstractContextManager[Workers]],
    call_of: Callable[[Job, Path], Call],
    depends: dict,
    what: str,
) -> Iterator[Outcome]:
    """Make all tables that are not there yet; one outcome for each job, as they end.

    Parameters
    ----------
    folder : where the tables go; journal and quarantine are kept there.
    start : gives workers, told how many recordings there are for them; not called if there is none.
    call_of : the call that makes a job's table, given a folder of its own for what is not complete. It returns
        :class:`Made`, or a :class:`~dfe_lib.batch.calls.Split` that ends so.
    depends : what else a table depends on: options, versions, weights; plain JSON values.
    what : the command, for the message to another run that wants the folder.

    Raises
    ------
    BusyError : another run works in the folder.
    OutputError : the folder is full or cannot be written to. What is done stays, and a run after that goes on.
    AssetError, ConfigError : from a call; no recording would fare better.
    """
    with alone(folder, what):
        journal, scratch = Journal(folder), folder / UNFINISHED
        _sweep(scratch)
        todo: list[_Todo] = []
        for job in jobs:
            try:
                stat = job.source.stat()
            except OSError as error:
                missing = InputError(f"{job.source} is not there or cannot be read ({error.strerror})")
                yield Outcome(job, GIVEN_UP, error=missing)
                continue
            mark = fingerprint(job.source.name, stat.st_size, stat.st_mtime_ns, depends)
            entry = journal.finished(job.recording, mark, job.target)
            why = journal.given_up(job.recording, mark)
            if entry is not None:
                yield Outcome(job, THERE, entry)
            elif why is not None:
                again = (
                    f"{why} (given up by an earlier run; remove {journal.place(job.recording)} to try again)"
                )
                yield Outcome(job, GIVEN_UP, error=InputError(again))
            else:
                todo.append(_Todo(job, mark, stat.st_size))
        if todo:
            with start(len(todo)) as pool:
                yield from _make(todo, pool, call_of, journal, scratch)
        with suppress(OSError):  # unfinished recordings of another list may be in it
            scratch.rmdir()


def _make(
    todo: list[_Todo], pool: Workers, call_of: Callable[[Job, Path], Call], journal: Journal, scratch: Path
) -> Iterator[Outcome]:
    by_name, done, frames = {each.job.recording: each for each in todo}, 0, 0
    with progress_bar(total=sum(each.size for each in todo), unit="B", unit_scale=True) as bar:
        bar.set_description(f"0 of {len(todo)} recordings")
        for ended in pool.each(_prepared(call_of, each.job, each.place(scratch)) for each in todo):
            this = by_name[ended.call.key]
            bar.update(round(ended.share * this.size))
            if not ended.whole:
                continue
            outcome = _settle(this.job, ended, journal, this.mark)
            shutil.rmtree(this.place(scratch), ignore_errors=True)
            done += 1
            frames += outcome.entry.frames if outcome.entry is not None else 0
            bar.set_description(f"{done} of {len(todo)} recordings")
            if elapsed := bar.format_dict["elapsed"]:
                bar.set_postfix_str(f"{frames / elapsed:.0f} frames/s")
            yield outcome


def remove(folder: Path) -> None:
    """Take away the folder of a run that is over; what is made lies elsewhere."""
    shutil.rmtree(folder, ignore_errors=True)


def fingerprint(source: str, size: int, changed_ns: int, depends: dict) -> str:
    """Tells whether a table is still what would be made."""
    content = json.dumps([source, size, changed_ns, depends], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def complete(staged: Path, target: Path, frames: int, measured: int) -> Made:
    """Give a finished table, which is on the disk, its name; in the worker.

    Raises
    ------
    OutputError : it cannot be.
    """
    try:
        with staged.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = staged.stat().st_size
        os.replace(staged, target)
    except OSError as error:
        raise cannot_write(target, error) from error
    return Made(size, digest, frames, measured)


def _prepared(call_of: Callable[[Job, Path], Call], job: Job, place: Path) -> Call:
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(place, error) from error
    return call_of(job, place)


def _settle(job: Job, ended: Ended, journal: Journal, mark: str) -> Outcome:
    if ended.error is not None:
        error = ended.error
        if not isinstance(error, DFEError):
            error = InputError(f"{job.source.name}: {type(error).__name__}: {error}")
        place = journal.give_up(job.recording, job.source.name, mark, error, ended.traceback, ended.attempts)
        if ended.traceback:
            error = InputError(f"{error}; this is a fault of dfe, its traceback is in {place}")
        return Outcome(job, GIVEN_UP, error=error)
    made = ended.value
    entry = Entry(
        job.recording, job.source.name, job.target.name, mark, made.bytes, made.sha256, made.frames,
        made.measured, round(ended.seconds, 3), ended.attempts,
    )  # fmt: skip
    journal.add(entry)
    return Outcome(job, MADE, entry)


def _sweep(scratch: Path) -> None:
    """Remove what a killed run was writing; complete segments stay for the recording's next attempt."""
    if scratch.is_dir():
        for path in scratch.rglob(".*"):
            if path.is_file() and path.name != LOCK:
                path.unlink()
