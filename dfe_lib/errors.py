"""The errors that users see: one sentence that says what was given, what is allowed, what to do.

Every error here ends a command with exit code ``exit_code`` and no traceback (``dfe --debug`` shows it).
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from difflib import get_close_matches

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # the disk, the quota, the largest file allowed
_LONGEST = 2000  # characters of a message
REFUSED = _FULL | {errno.EROFS}  # errors that only writing has, whatever was written


class DFEError(Exception):
    """Base of all errors that this library raises on purpose.

    Messages quote what files hold. So what would move a terminal's cursor, or cannot be written at all, is shown as an
    escape, and the middle of an endless quotation is left out.
    """

    exit_code = 2

    def __init__(self, message: object = ""):
        super().__init__(_shown(str(message)))


class InputError(DFEError, ValueError):
    """A file, array or table that was given cannot be used."""


class OutputError(InputError):
    """A place that was given cannot be written to: full, read-only, or gone. No other input would fare better."""


class ConfigError(DFEError, ValueError):
    """An unknown or ill-typed name: profile, parameter, option, manifest key."""


class AssetError(DFEError):
    """An external file is missing, refused, or could not be fetched."""


class RunError(DFEError):
    """A notebook failed, or did not deliver what it declares."""

    exit_code = 1


def _shown(text: str) -> str:
    """A message as a terminal may have it: printable, and at most ``_LONGEST`` characters.

    >>> _shown("column 'a\\x1b[2J' is missing")
    "column 'a\\\\x1b[2J' is missing"
    """
    shown = printable(text if len(text) < 100 * _LONGEST else f"{text[:_LONGEST]}{text[-_LONGEST:]}")
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 400]} … {shown[-395:]}"


def printable(text: str) -> str:
    r"""Text that names nothing but itself on a terminal: what is not printable is shown as an escape.

    File names may hold commands for a terminal (to fill its clipboard, say), marks that turn the order of letters, and
    bytes that no encoding can write.

    >>> printable("clip\x1b]52;c;cm0=\x07.mp4")
    'clip\\x1b]52;c;cm0=\\x07.mp4'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


def cannot_write(place: object, error: OSError) -> OutputError:
    """The error for a place that is full, read-only or gone.

    >>> cannot_write("out.csv", OSError(28, "No space left on device"))
    OutputError('out.csv cannot be written (No space left on device); make room there or choose another place')
    """
    remedy = "make room there or choose another place" if error.errno in _FULL else "choose another place"
    return OutputError(f"{place} cannot be written ({error.strerror or error}); {remedy}")


def choices(given: object, allowed: Iterable[str]) -> str:
    """Text that names the allowed values and, where one is near, the likely one.

    >>> choices("dmeo", ["ci", "demo"])
    "got 'dmeo'; allowed: ci, demo (did you mean 'demo'?)"
    """
    allowed = list(allowed)
    near = get_close_matches(str(given), allowed, n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return f"got '{given}'; allowed: {', '.join(allowed)}{hint}"
