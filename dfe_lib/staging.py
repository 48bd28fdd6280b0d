"""Files and folders that are under their name whole, or not at all, whatever happens on the way.

They are written beside it under a hidden name and renamed when they are complete and on the disk. What a killed
process leaves there is removed by the next one that writes to the same place; a lock of the operating system on
the hidden file itself tells what is left over from what is being written.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dfe_lib.errors import REFUSED, cannot_write
from dfe_lib.locks import PATIENCE_S, BusyError


@contextmanager
def staged_file(target: str | Path, patience_s: float = PATIENCE_S) -> Iterator[Path]:
    """Where to write what shall be ``target``; it takes that name when the block has ended without an error.

    Folders above ``target`` are made.

    Parameters
    ----------
    patience_s : how long another process that writes this very file is waited for.

    Raises
    ------
    OutputError : the place is full or cannot be written to; what was at ``target`` is as it was.
    BusyError : another process is writing this very file.

    Examples
    --------
    >>> with staged_file("table.csv") as place:  # doctest: +SKIP
    ...     table.to_csv(place)
    """
    target = Path(target)
    place = _hidden(target, "part")
    with _said_of(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _claimed(target, place, patience_s):
            try:
                os.truncate(place, 0)
                with _yours():
                    yield place
                _to_disk(place)
                place.chmod(0o644)
                os.replace(place, target)
            except BaseException:
                place.unlink(missing_ok=True)
                raise


@contextmanager
def staged_folder(target: str | Path) -> Iterator[Path]:
    """The same for a folder and the files in it. A folder that stands at ``target`` is replaced.

    The two cannot change places in one step everywhere, so readers ask :func:`standing`.
    """
    target = Path(target)
    place = _hidden(target, "part")
    with _said_of(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _claimed(target, place, folder=True):
            try:
                recover(target)
                for left in place.iterdir():  # by a process that was killed
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
                with _yours():
                    yield place
                for path in place.rglob("*"):
                    if path.is_file():
                        _to_disk(path)
                        path.chmod(0o644)
                place.chmod(0o755)
                swap(place, target)
            except BaseException:
                shutil.rmtree(place, ignore_errors=True)
                recover(target)
                raise


def swap(place: Path, target: Path) -> None:
    """Put the folder ``place`` under the name ``target``; what stands there goes once the new one is up."""
    aside = _hidden(target, "old")
    if target.exists():
        os.replace(target, aside)
    os.replace(place, target)
    shutil.rmtree(aside, ignore_errors=True)


def recover(target: Path) -> None:
    """End a :func:`swap` that was cut short; for whoever alone may write to ``target``."""
    aside = _hidden(target, "old")
    if aside.exists():
        if target.exists():
            shutil.rmtree(aside)
        else:
            os.replace(aside, target)


def standing(target: str | Path) -> Path:
    """Where to read a folder that may just be replaced: ``target``, or where :func:`swap` has put it for a moment."""
    target = Path(target)
    aside = _hidden(target, "old")
    return aside if not target.exists() and aside.exists() else target


def _hidden(target: Path, what: str) -> Path:
    return target.with_name(f".{target.name}.{what}")


@contextmanager
def _claimed(
    target: Path, place: Path, patience_s: float = PATIENCE_S, folder: bool = False
) -> Iterator[None]:
    """Make a hidden file or folder, or take over one that was left, and hold the lock on it."""
    flags = os.O_RDONLY if folder else os.O_RDWR | os.O_CREAT
    until = time.monotonic() + patience_s
    while True:
        if folder:
            place.mkdir(exist_ok=True)
        handle = os.open(place, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if not folder and os.fstat(handle).st_nlink > 1:
                place.unlink(
                    missing_ok=True
                )  # a second name of some other file, which must not be written to
            elif _locked(handle) and _is(place, handle):
                yield
                return
        finally:
            os.close(handle)
        if time.monotonic() > until:
            raise BusyError(f"{target} is being written by another process; wait until that has ended")
        time.sleep(0.01)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: two writers are the user's care, as with any program
        pass
    return True


def _is(place: Path, handle: int) -> bool:
    """The name still stands for what was opened; another process may have removed it in between."""
    try:
        return os.path.samestat(place.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _to_disk(path: Path) -> None:
    """A name given before the content is on the disk may stand for nothing after a loss of power."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


class _Yours(Exception):
    """An error of the block, not of the place."""


@contextmanager
def _yours() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in REFUSED:
            raise
        raise _Yours from error


@contextmanager
def _said_of(target: Path) -> Iterator[None]:
    try:
        yield
    except _Yours as wrapped:
        raise wrapped.__cause__ from None
    except OSError as error:
        raise cannot_write(target, error) from error
