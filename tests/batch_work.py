"""What the workers of tests/test_batch.py are asked to do: functions that they can import by name."""

import os
import time
from pathlib import Path

from dfe_lib.batch.calls import Call, Split
from dfe_lib.batch.run import Job, Made, complete
from dfe_lib.errors import AssetError, InputError


def double(x):
    return 2 * x


def die(*_):
    os._exit(9)


def hang(*_):
    time.sleep(1000)


def refuse(text):
    raise InputError(text)


def lack_an_asset():
    raise AssetError("the model is not at hand")


def err():
    return 1 / 0


def fail_twice(notes: Path):
    """Works the third time; notes each attempt."""
    with notes.open("a") as file:
        file.write("x")
    if notes.stat().st_size < 3:
        os._exit(9)
    return "done"


def split(n):
    return Split(tuple(Call(f"part {i}", double, (i,)) for i in range(n)), Call("end", double, (100,)))


def copy_of(job: Job, place: Path) -> Call:
    """The call that copies a text in capitals; words in it say what goes wrong."""
    return Call(job.recording, copy, (job.source, job.target, place))


def copy(source: Path, target: Path, place: Path) -> Made:
    text = source.read_text()
    with (source.parent / "calls.log").open("a") as log:
        log.write(source.stem + "\n")
    if "die" in text:
        os._exit(9)
    if "refuse" in text:
        raise InputError(f"{source.name} cannot be used")
    if "err" in text:
        raise ZeroDivisionError("by nothing")
    staged = place / target.name
    staged.write_text(text.upper())
    return complete(staged, target, len(text), len(text) // 2)


def in_segments(job: Job, place: Path, options: dict) -> Call:
    """The call of `dfe extract`, with segments so short that a clip of seconds has some."""
    from dfe_lib.batch.recordings import extraction

    call = extraction(job, place, options)
    return Call(call.key, with_short_segments, (call.function, *call.args))


def with_short_segments(function, *args):
    from dfe_lib.face.passes import segments

    before = segments.SEGMENT
    segments.SEGMENT = 64 if args[0].stem == "no" else before
    try:
        return function(*args)
    finally:
        segments.SEGMENT = before
