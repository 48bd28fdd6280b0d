"""One run at a time in one folder.

The lock is the operating system's own, on ``<folder>/.lock``: it goes with the process that holds it, so a run
that was killed leaves none behind. The file says who is there, for the message to whoever comes second.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, SoftFileLock, Timeout

from dfe_lib.errors import REFUSED, InputError, cannot_write

NAME = ".lock"
_GONE = ".gone"
PATIENCE_S = 0.5  # a process that was killed a moment ago is still being taken down


class BusyError(InputError):
    """Another run is writing to the folder."""


@contextmanager
def alone(folder: str | Path, what: str) -> Iterator[None]:
    """Be the only run that writes to ``folder``, inside the ``with`` block.

    The folder is made if it is not there, and goes again if it is left empty. Across machines the lock holds
    where their shared file system knows locks (NFS 4, Lustre with ``flock``).

    Parameters
    ----------
    what : the command, as the other one's message shall name it.

    Raises
    ------
    BusyError : another run is there; names its command, process, machine and start.
    OutputError : the folder cannot be made or written to, or became full in the ``with`` block.

    Examples
    --------
    >>> with alone("results/demo", "dfe reproduce"):  # doctest: +SKIP
    ...     write_results()
    """
    folder = Path(folder)
    place = folder / NAME
    lock = FileLock(place, timeout=PATIENCE_S)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            if place.lstat().st_nlink > 1:  # a second name of some other file, which must not be written to
                place.unlink()
        lock.acquire()
    except Timeout:
        raise BusyError(
            f"{folder} is in use by {_who(place)}; wait until it has ended, or choose another folder"
        ) from None
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        ours = _sign(lock, place, what)
        yield
    except OSError as error:
        if error.errno in REFUSED:
            raise cannot_write(folder, error) from error
        raise
    finally:
        # Removed while it is held: whoever opened it before sees that its name is gone, and opens the next one.
        with suppress(FileNotFoundError):
            if ours is not None and _identity(place) == ours:
                place.unlink()
        lock.release()
        with suppress(OSError):  # not empty, as a rule
            folder.rmdir()


def clear(folder: str | Path) -> None:
    """Remove everything in a folder that is locked by this run, but the lock: files first, and each folder whole."""
    folders = []
    for path in Path(folder).iterdir():
        if path.is_dir() and not path.is_symlink():
            folders.append(path)
        elif path.name != NAME:
            path.unlink()
    for path in sorted(
        folders, key=lambda path: path.suffix != _GONE
    ):  # those first that a killed run began with
        gone = path
        if path.suffix != _GONE:
            gone = path.with_name(path.name + _GONE)  # half a folder must never stand under its name
            os.replace(path, gone)
        shutil.rmtree(gone)


def _sign(lock: FileLock, place: Path, what: str) -> tuple[int, int] | None:
    """Write who is here into the lock file; returns its identity, or None where filelock keeps a file of its own."""
    if isinstance(lock, SoftFileLock):  # on a file system without locks: a marker with content of its own
        return None
    started = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    here = {"what": what, "process": os.getpid(), "host": socket.gethostname(), "since": started}
    with suppress(OSError):  # on a full disk the lock holds all the same
        place.write_text(json.dumps(here) + "\n", encoding="utf-8")
    return _identity(place)


def _identity(place: Path) -> tuple[int, int]:
    stat = place.stat()
    return stat.st_dev, stat.st_ino


def _who(place: Path) -> str:
    try:
        here = json.loads(place.read_text(encoding="utf-8"))
        return f"`{here['what']}` (process {here['process']} on {here['host']}, since {here['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another run"
