"""Mutants given to a reader in a process of its own, with a limit of memory and time, and watched for what they do.

A worker makes the mutants itself: number ``i`` of a reader follows from the seed, the reader's name and ``i`` alone, so
any finding can be had again (:func:`mutant`). It says which number it begins and how that ended; where it dies or hangs
instead, that is the finding, and another worker goes on behind it. The workers come from a fork server, a process
without threads of its own that has imported the readers once.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from dfe_lib.bench.hostile.craft import CANARY
from dfe_lib.bench.hostile.mutate import mutate, splice
from dfe_lib.errors import DFEError, printable

# Of processor time that an input may take; of time on the clock three times as much, for a busy machine.
SECONDS = 10
STARTING = 30  # seconds on top for a process's first input: the server may have to import first
MEMORY = 2**30  # bytes that an input may take beyond what the process has before
LONGEST = 2500  # characters of a message; a sentence that quotes a whole file is none
_PER_WORKER = 400  # inputs; what libraries keep in mind should not count as the input's memory
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGING = (
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
)
_RUNNING = (
    "os.system",
    "subprocess.Popen",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "pty.spawn",
    "pickle.find_class",
)
_ASKING = ("socket.connect", "socket.getaddrinfo", "urllib.Request", "ftplib.connect")
_BAITS = ("secret.txt", "passwd")  # what a path in an input may point at, outside its folder


@dataclass(frozen=True)
class Seed:
    """A good input: files by relative name, which of them is damaged, and how, by a name of ``readers.HOW``."""

    files: dict[str, bytes]
    damaged: str
    how: str


@dataclass(frozen=True)
class Reader:
    """What is called with a damaged file, and the good ones."""

    call: Callable[[Path], object]
    seeds: Callable[[], list[Seed]]
    share: float = 1.0  # how often it is tried, compared with others
    writes: str = ""  # where it may write, below the worker's folder
    good: bool = True  # whether the seeds must be read; an array of any kind need not make sense


@dataclass
class Findings:
    """What came of a reader's mutants.

    Attributes
    ----------
    ok, typed : inputs that were read, and that were refused with an error of ours.
    wrong : (number of the mutant, what happened) of every other one.
    slowest : seconds of processor time of one input.
    memory : bytes of one input at most, beyond what the process had.
    """

    ok: int = 0
    typed: int = 0
    wrong: list[tuple[int, str]] = field(default_factory=list)
    slowest: float = 0.0
    memory: int = 0

    @property
    def kinds(self) -> Counter:
        return Counter(what.partition(":")[0] for _, what in self.wrong)


def mutant(name: str, seeds: list[Seed], number: int, seed: int = 0) -> tuple[Seed, bytes]:
    """The damaged file of a number; the first ones are the seeds themselves, which must be read."""
    if number < len(seeds):
        return seeds[number], seeds[number].files[seeds[number].damaged]
    from dfe_lib.bench.hostile.readers import HOW

    rng = np.random.default_rng([seed, zlib.crc32(name.encode()), number])
    chosen, other = (seeds[int(k)] for k in rng.integers(0, len(seeds), 2))
    good = chosen.files[chosen.damaged]
    if rng.random() < 0.04:
        return chosen, splice(rng, good, other.files[other.damaged])
    return chosen, mutate(rng, good, HOW[chosen.how])


def attack(reader: str | Reader, count: int, seed: int = 0, numbers: list[int] | None = None) -> Findings:
    """Give mutants to a reader, and take down what comes of it.

    Parameters
    ----------
    reader : a name of :data:`dfe_lib.bench.hostile.readers.READERS`, or one that can be pickled.
    count, numbers : how many mutants, from 0 on; or which ones.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dfe_lib.bench.hostile.readers"])
    seeds, found = _reader(reader).seeds(), Findings()
    todo = list(range(count)) if numbers is None else list(numbers)
    with tempfile.TemporaryDirectory(prefix="dfe-hostile-") as folder:
        while todo:
            ours, theirs = context.Pipe()
            base = Path(tempfile.mkdtemp(dir=folder))
            arguments = (theirs, reader, seeds, base, todo[:_PER_WORKER], seed)
            worker = context.Process(target=_serve, args=arguments, daemon=True)
            worker.start()
            theirs.close()
            done = _listen(ours, worker, found, todo[:_PER_WORKER])
            todo = todo[done:]
    return found


def _reader(reader: str | Reader) -> Reader:
    from dfe_lib.bench.hostile.readers import READERS

    return reader if isinstance(reader, Reader) else READERS[reader]


def _listen(ours: Connection, worker: multiprocessing.Process, found: Findings, numbers: list[int]) -> int:
    """Take down what a worker says until it ends; how many of its numbers are dealt with."""
    for done, number in enumerate(numbers):
        try:
            if not ours.poll(3 * SECONDS + (STARTING if done == 0 else 0)):
                worker.kill()
                found.wrong.append((number, "hang: nothing on the clock"))
                worker.join()
                return done + 1
            what, seconds, memory = ours.recv()
        except (EOFError, ConnectionResetError):
            worker.join()
            code = worker.exitcode
            kind = "hang: too much processor time" if code == -signal.SIGPROF else f"crash: exit code {code}"
            found.wrong.append((number, kind))
            return done + 1
        found.slowest, found.memory = max(found.slowest, seconds), max(found.memory, memory)
        if what in ("ok", "typed"):
            setattr(found, what, getattr(found, what) + 1)
        else:
            found.wrong.append((number, what))
    worker.join()
    return len(numbers)


def _serve(
    out: Connection, reader: str | Reader, seeds: list[Seed], base: Path, numbers: list[int], seed: int
) -> None:
    kind = _reader(reader)
    call, may_write = kind.call, kind.writes
    work = base / "inputs" / "input"
    for name in ("inputs", "tmp", "home"):
        (base / name).mkdir()
    (base / "secret.txt").write_text("bait")
    (base / "inputs" / "secret.txt").write_text("bait")
    os.chdir(base / "tmp")
    os.environ |= {
        "DFE_DATA_DIR": str(base / "cache"),
        "HOME": str(base / "home"),
        "TMPDIR": str(base / "tmp"),
        "DFE_OFFLINE": "1",
    }
    tempfile.tempdir = str(base / "tmp")
    sys.dont_write_bytecode = True
    sys.stdout = sys.stderr = open(os.devnull, "w")
    warnings.simplefilter("ignore")
    watch = _Watch(base)
    _lay_out(work, seeds[0].files)
    _outcome(call, work / seeds[0].damaged)  # libraries look around once, at first use
    _limit()
    for number in numbers:
        try:
            chosen, data = mutant(str(reader), seeds, number, seed)
        except Exception as error:  # a mistake of ours, not of the reader
            out.send((f"no mutant: {type(error).__name__}: {error}", 0.0, 0))
            continue
        _lay_out(work, chosen.files | {chosen.damaged: data})
        before, memory = watch.listed(), _resident(reset=True)
        watch.seen.clear()
        watch.allowed = str(base / may_write) if may_write else ""
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        started = time.process_time()
        watch.armed = True
        try:
            what = _outcome(call, work / chosen.damaged)
        finally:
            watch.armed = False
            signal.setitimer(signal.ITIMER_PROF, 0)
        seconds = time.process_time() - started
        stray = {p for p in watch.listed() - before if not (watch.allowed and p.startswith(watch.allowed))}
        if watch.seen:
            what = f"acts: {watch.seen[0]}"
        elif stray:
            what = f"stray file: {min(stray)}"
        elif number < len(seeds) and what != "ok" and kind.good:
            what = f"seed: {what}"
        out.send((what, seconds, max(_resident() - memory, 0)))
        for path in stray:
            with contextlib.suppress(OSError):
                os.unlink(path)


def _outcome(call, path: Path) -> str:
    try:
        call(path)
    except DFEError as error:
        text = str(error)
        if len(text) > LONGEST or printable(text) != text:
            return f"message: {type(error).__name__} of {len(text)} characters: {text[:60]!a}"
        return "typed"
    except (MemoryError, RecursionError, Exception) as error:  # whatever it is: that is what we look for
        frames, tail = error.__traceback__, ""
        while frames:
            code = frames.tb_frame.f_code
            if "dfe_lib" in code.co_filename and "hostile" not in code.co_filename:
                tail = f"{code.co_filename.rpartition('dfe_lib/')[2]}:{frames.tb_lineno}"
            frames = frames.tb_next
        return f"{type(error).__name__}: at {tail}: {' '.join(str(error)[:200].split())!a}"
    return "ok"


class _Watch:
    """Everything that Python does to files, processes and the network while it is armed."""

    def __init__(self, base: Path):
        self.base, self.armed, self.allowed = base, False, ""
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple) -> None:
        if not self.armed:
            return
        if event == "open":
            path, mode, flags = arguments
            if not isinstance(path, str | bytes) or os.fsdecode(path) == os.devnull:
                return
            path = os.fsdecode(path)
            if (mode and set(mode) & set("wax+")) or (mode is None and flags & _WRITING):
                self._saw(event, path)
            elif os.path.basename(path) in _BAITS:
                self.seen.append(f"reads {os.path.basename(path)}")
        elif event in _CHANGING:
            self._saw(event, str(arguments[0]))
        elif event in (*_RUNNING, *_ASKING):
            self.seen.append(f"{event} {str(arguments)[:80]}")

    def _saw(self, event: str, path: str) -> None:
        if not (self.allowed and os.path.abspath(path).startswith(self.allowed)):
            self.seen.append(f"{event} {os.path.basename(path)}")

    def listed(self) -> set[str]:
        """Every file below the worker's folder; the canary among them, if it was let out."""
        return {os.path.join(top, name) for top, _, names in os.walk(self.base) for name in names}


def _lay_out(work: Path, files: dict[str, bytes]) -> None:
    if work.exists():
        for top, _, names in os.walk(work):
            for name in names:
                os.unlink(os.path.join(top, name))
    for name, data in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_bytes(data)


def _limit() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _resident(reset: bool = False) -> int:
    """Largest resident memory of this process, in bytes, since the last reset."""
    if reset:
        with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    line = next(n for n in Path("/proc/self/status").read_text().splitlines() if n.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


__all__ = ["CANARY", "Findings", "Reader", "Seed", "attack", "mutant"]
