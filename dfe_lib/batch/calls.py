"""What a worker is asked to do, what it says when it is done, and how it is kept from hanging."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from dfe_lib.errors import DFEError

STARTING_S = 60.0  # granted on top before the first sign of life: a new worker imports MediaPipe or torch
SETTLED_S = 0.3  # a worker process is this old before it does its first call
HUNG = 70  # exit status of a worker that gave itself up; EX_SOFTWARE


@dataclass(frozen=True)
class Call:
    """A function of some module, its plain arguments, and how long it may be silent.

    Attributes
    ----------
    key : says which call this is, in messages and on the dashboard.
    function : importable by its name on every node; nothing else is sent.
    silent_s : the worker counts as hung when it has not said :func:`alive` for so long. None: it may take its time.
    """

    key: str
    function: Callable
    args: tuple = ()
    kwargs: dict = field(default_factory=dict)
    silent_s: float | None = None


@dataclass(frozen=True)
class Split:
    """What a call may return in place of a value: do ``parts``, in any order, and then ``last``, whose value counts."""

    parts: tuple[Call, ...]
    last: Call


@dataclass(frozen=True)
class Ended:
    """A call that has come to its end, after all its attempts.

    Attributes
    ----------
    call : as it was given; for a part of a :class:`Split` the call that was split.
    share : how much of that call's work this was, as far as can be known: 1 in sum.
    whole : whether the call is done with; False for a part of it.
    value : what the function returned; None after an error.
    error : why there is no value.
    traceback : of the error in the worker, where it was not one of ours; else empty.
    """

    call: Call
    share: float = 1.0
    whole: bool = True
    value: object = None
    error: Exception | None = None
    traceback: str = ""
    attempts: int = 1
    seconds: float = 0.0


@dataclass(frozen=True)
class Said:
    """What comes back over the wire."""

    value: object
    error: Exception | None
    traceback: str
    seconds: float


class _Watch:
    """Ends this process when a call is silent for too long: nothing gentler stops a decoder that spins."""

    def __init__(self, silent_s: float):
        self.silent_s, self.until = silent_s, time.monotonic() + STARTING_S + silent_s
        self._over = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def sign(self) -> None:
        self.until = time.monotonic() + self.silent_s

    def end(self) -> None:
        self._over.set()

    def _look(self) -> None:
        while not self._over.wait(min(1.0, self.silent_s)):
            if time.monotonic() > self.until:
                os._exit(HUNG)


_born = time.monotonic()  # of this module in this process: a worker imports it for its first call
_here = threading.local()  # the watch over the call that this thread is doing


def alive(*_) -> None:
    """Say that a call gets on; without a watch it does nothing. Takes and ignores anything, to serve as a callback."""
    if (watch := getattr(_here, "watch", None)) is not None:
        watch.sign()


def perform(call: Call) -> Said:
    """Do a call, in the worker. An error comes back as a value, so that none is printed on the way.

    Dask loses sight of a worker that ends in the moment of its start, so the first call waits a little.
    """
    time.sleep(max(0.0, _born + SETTLED_S - time.monotonic()))
    started = time.monotonic()
    _here.watch = None if call.silent_s is None else _Watch(call.silent_s)
    try:
        value, error, trace = call.function(*call.args, **call.kwargs), None, ""
    except DFEError as ours:
        value, error, trace = None, ours, ""
    except Exception as other:  # a fault of ours in one recording: the others go on, and the trace is kept
        value, error, trace = None, other, traceback.format_exc()
    finally:
        if _here.watch is not None:
            _here.watch.end()
            _here.watch = None
    return Said(value, error, trace, time.monotonic() - started)
