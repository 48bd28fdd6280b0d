"""Processes killed at random moments and started again until they are done; then what they left is looked at."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from dfe_lib.locks import NAME as LOCK
from dfe_lib.progress import bar as progress_bar

LIMIT_S = 300.0  # of one start; ten times what the slowest takes
ORPHANS_S = 10.0  # until which the children of a killed process must be gone

# In pages: digests of times, seconds in sentences, cells and bars, the name that papermill gives to the cell that it
# adds, and the revision of the code, which somebody may change meanwhile.
_VARIES = re.compile(
    rb'<!-- of .*|\d+(\.\d+)? s\b|<td class="n">[\d.]+|width:[\d.]+rem"></span> \d+ %|cell-id=[0-9a-f]{8}\b'
    rb"|<code>[0-9a-f]{10}\+?</code>"
)


@dataclass(frozen=True)
class Job:
    """A command that fills a folder.

    Attributes
    ----------
    command : arguments, for a folder of its own to write below.
    locks : folder, below that folder, whose lock the command takes when it begins to work. It is killed from then
        on, since a process that is still importing has nothing to lose.
    victims : parts of the command lines of children that are killed too, beside the command itself.
    """

    name: str
    command: Callable[[Path], Sequence[str]]
    locks: str
    victims: tuple[str, ...] = ()


@dataclass
class Survived:
    """What came of a job that was killed again and again.

    Attributes
    ----------
    kills : whom they met, and how often.
    rounds : times that the job was done from nothing to its end.
    different : what was not as an undisturbed run leaves it, in words; empty as it should be.
    orphans_s : longest time that a child outlived its killed parent.
    """

    kills: dict[str, int] = field(default_factory=dict)
    rounds: int = 0
    different: list[str] = field(default_factory=list)
    orphans_s: float = 0.0

    @property
    def total(self) -> int:
        return sum(self.kills.values())


def survive(job: Job, folder: Path, kills: int, rng: np.random.Generator, each: int = 5) -> Survived:
    """Kill a job ``kills`` times, at most ``each`` times on its way to one end, and compare every end.

    Parameters
    ----------
    folder : an empty folder; runs go below it.
    rng : draws the moments, evenly over the time that an undisturbed run works, and the victims.

    Raises
    ------
    AssertionError : the undisturbed run fails; nothing could be compared.
    """
    home = folder / "here"  # always the same, as it may stand in what is written
    home.mkdir(parents=True)
    code, seconds, _ = _start(job, home, None)
    assert code == 0, f"{job.name} fails undisturbed: {(folder / 'here.log').read_text()}"
    wanted, done = contents(home), Survived()
    home.rename(folder / "undisturbed")
    shown = progress_bar(total=kills, desc=job.name, unit="kill")
    while done.total < kills:
        home.mkdir()
        met = 0
        while True:
            spare = met >= each or done.total >= kills
            plan = None if spare else (rng.uniform(0, seconds), str(rng.choice(["main", *job.victims])))
            code, _, killed = _start(job, home, plan, done)
            met += killed
            shown.update(killed)
            if code == 0:
                break
            if not killed:
                done.different.append(f"round {done.rounds} ends by itself with exit code {code}")
                break
        found = contents(home)
        home.rename(folder / f"round-{done.rounds}")
        done.rounds += 1
        for name in sorted(wanted.keys() | found.keys()):
            if found.get(name) != wanted.get(name):
                both = name in found and name in wanted
                kind = "differs" if both else "is missing" if name in wanted else "is left over"
                done.different.append(f"round {done.rounds - 1}: {name} {kind}")
    shown.close()
    return done


def _start(
    job: Job, home: Path, plan: tuple[float, str] | None, done: Survived | None = None
) -> tuple[int, float, bool]:
    """Run the command; returns its exit code, how long it worked, and whether it or a child was killed."""
    killed, lock = False, home / job.locks / LOCK
    before = _written(lock)
    with (home.parent / f"{home.name}.log").open("ab") as log:
        process = subprocess.Popen(job.command(home), stdout=log, stderr=log, env=_environment())
        try:
            began = _wait(lambda: process.poll() is not None or _written(lock) != before)
            if plan is not None and not _wait_at_most(process, plan[0]):
                killed = _kill(process, plan[1], done)
            code = process.wait(LIMIT_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    return code, time.monotonic() - began, killed


def _kill(process: subprocess.Popen, victim: str, done: Survived) -> bool:
    main = psutil.Process(process.pid)
    try:
        children = main.children(recursive=True)
        chosen = main
        if victim != "main":
            matching = [c for c in children if victim in " ".join(c.cmdline())]
            chosen, victim = (matching[0], victim) if matching else (main, "main")
        chosen.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return False
    done.kills[victim] = done.kills.get(victim, 0) + 1
    if chosen is main:
        started = time.monotonic()
        _, alive = psutil.wait_procs(children, timeout=ORPHANS_S)
        done.orphans_s = max(done.orphans_s, time.monotonic() - started)
        for child in alive:
            done.different.append(f"an orphan goes on: {' '.join(child.cmdline())[:80]}")
            child.kill()
    return True


def _written(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _wait(done: Callable[[], bool]) -> float:
    until = time.monotonic() + LIMIT_S
    while not done() and time.monotonic() < until:
        time.sleep(0.005)
    return time.monotonic()


def _wait_at_most(process: subprocess.Popen, seconds: float) -> bool:
    """Whether the process has ended by itself within ``seconds``."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too, by its path; without the times that no two runs share."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            found[name + "/"] = b""
        else:
            found[name] = _without_times(path)
    return found


def _without_times(path: Path) -> bytes:
    content = path.read_bytes()
    if path.name == "metrics.json":
        return _kept(json.loads(content), drop=("timings", "provenance"))
    if path.name == "run.json":
        return _kept(json.loads(content), drop=("wall_s", "provenance", "files"))
    if path.suffix == ".ipynb":
        return _kept([(cell["source"], cell.get("outputs")) for cell in json.loads(content)["cells"]])
    if path.suffix == ".html":
        return _VARIES.sub(b"", content)
    if path.name == "journal.jsonl":
        lines = [json.loads(line) for line in content.splitlines()]
        lines = sorted(_kept(line, drop=("seconds", "attempts")) for line in lines)
        return b"\n".join(lines)
    return content


def _kept(value: object, drop: Sequence[str] = ()) -> bytes:
    if isinstance(value, dict):
        value = {k: v for k, v in value.items() if k not in drop}
    return json.dumps(value, sort_keys=True).encode()


def _environment() -> dict[str, str]:
    """One thread a process, so that several of them share a machine."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "DFE_OFFLINE": "1"}
