"""What a worker is asked to do, what it says when it is done, and how it is kept from hanging."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from dfe_lib.errors import DFEError

STARTING_S = 60.0  # granted to every call: a new worker imports MediaPipe or torch first
HUNG = 70  # exit status of a worker that gave itself up; EX_SOFTWARE


@dataclass(frozen=True)
class Call:
    """A function of some module, its plain arguments, and how long it may take.

    Attributes
    ----------
    key : says which call this is, in messages and on the dashboard.
    function : importable by its name on every node; nothing else is sent.
    seconds : after these (and ``STARTING_S``) the worker counts as hung. None: no limit.
    """

    key: str
    function: Callable
    args: tuple = ()
    kwargs: dict = field(default_factory=dict)
    seconds: float | None = None


@dataclass(frozen=True)
class Split:
    """What a call may return in place of a value: do ``parts``, in any order, and then ``last``."""

    parts: tuple[Call, ...]
    last: Call


@dataclass(frozen=True)
class Ended:
    """A call that has come to its end, after all its attempts.

    Attributes
    ----------
    value : what the function returned; None after an error.
    error : why there is no value.
    traceback : of the error in the worker, where it was not one of ours; else empty.
    """

    call: Call
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


def perform(call: Call) -> Said:
    """Do a call, in the worker. An error comes back as a value, so that none is printed on the way.

    A call that takes too long ends its process: nothing gentler stops a decoder that spins.
    """
    started = time.monotonic()
    limit = None
    if call.seconds is not None:
        limit = threading.Timer(STARTING_S + call.seconds, os._exit, (HUNG,))
        limit.daemon = True
        limit.start()
    try:
        value, error, trace = call.function(*call.args, **call.kwargs), None, ""
    except DFEError as ours:
        value, error, trace = None, ours, ""
    except Exception as other:  # a fault of ours in one recording: the others go on, and the trace is kept
        value, error, trace = None, other, traceback.format_exc()
    finally:
        if limit is not None:
            limit.cancel()
    return Said(value, error, trace, time.monotonic() - started)
